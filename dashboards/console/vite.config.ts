import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

/** Where `vite dev` finds the service; the built console is served by the service itself. */
const service = "http://127.0.0.1:8080";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [vue()],
  define: {
    // the messages are interpreted, never evaluated: the policy of the page forbids eval
    __INTLIFY_JIT_COMPILATION__: "true",
    __INTLIFY_DROP_MESSAGE_COMPILER__: "false",
    __VUE_I18N_FULL_INSTALL__: "false",
    __VUE_I18N_LEGACY_API__: "false",
    __INTLIFY_PROD_DEVTOOLS__: "false",
  },
  server: { proxy: { "/api": service, "/readyz": service } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // no data: addresses and no inline script: `default-src 'self'` holds for everything that is loaded
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 700,
  },
});
