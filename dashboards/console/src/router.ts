import { nextTick } from "vue";
import { createRouter, createWebHistory } from "vue-router";
import Overview from "./pages/overview.vue";
import { onLeave, resume } from "./session.ts";

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
  routes: [
    { path: "/sign-in", name: "sign-in", component: () => import("./pages/sign-in.vue"), meta: { open: true } },
    { path: "/", name: "overview", component: Overview, meta: { title: "nav.overview" } },
    { path: "/alarms", name: "alarms", component: () => import("./pages/alarms.vue"), meta: { title: "nav.alarms" } },
    { path: "/alarms/:id", name: "alarm", component: () => import("./pages/alarm.vue"), meta: { title: "nav.alarms" } },
    { path: "/things", name: "things", component: () => import("./pages/things.vue"), meta: { title: "nav.things" } },
    { path: "/things/:id", name: "thing", component: () => import("./pages/thing.vue"), meta: { title: "nav.things" } },
    { path: "/data", name: "data", component: () => import("./pages/data.vue"), meta: { title: "nav.data" } },
    { path: "/:rest(.*)*", name: "not-found", component: () => import("./pages/not-found.vue") },
  ],
});

router.beforeEach(async (to) => {
  if (to.meta.open === true) return true;
  try {
    if (await resume()) return true;
  } catch {
    // no answer from the service: the sign-in page says so when it is tried
  }
  return { name: "sign-in", query: to.fullPath === "/" ? {} : { to: to.fullPath } };
});

/** A screen reader, and the next press of Tab, begin where the new page begins. */
router.afterEach((to, from, failure) => {
  if (failure !== undefined || to.path === from.path || from.matched.length === 0) return;
  void nextTick(() => document.getElementById("main")?.focus({ preventScroll: true }));
});

onLeave(() => {
  const here = router.currentRoute.value;
  if (here.meta.open === true) return;
  void router.push({ name: "sign-in", query: here.fullPath === "/" ? {} : { to: here.fullPath } });
});
