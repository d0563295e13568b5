import { defineAsyncComponent } from "vue";

/** ECharts comes when the first chart is drawn, not with the first page. */
export const Trend = defineAsyncComponent(() => import("./trend.vue"));
export const LedgerChart = defineAsyncComponent(() => import("./ledger-chart.vue"));
