import { createApp } from "vue";
import App from "./app.vue";
import { i18n } from "./locale/index.ts";
import { router } from "./router.ts";
import "./style.css";

createApp(App).use(i18n).use(router).mount("#app");
