import { computed } from "vue";
import { useRoute, useRouter } from "vue-router";

/** Filters that live in the address: a list that was narrowed can be sent to somebody, and survives "back". */
export const useFilters = <Name extends string>(names: readonly Name[]) => {
  const route = useRoute();
  const router = useRouter();
  const value = (name: Name): string => {
    const given = route.query[name];
    return typeof given === "string" ? given : "";
  };
  const filters = computed(() => Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, string>);
  const set = (name: Name, to: string | null): void => {
    const query = { ...route.query };
    if (to === null || to === "") delete query[name];
    else query[name] = to;
    void router.replace({ query });
  };
  const clear = (): void => {
    const query = Object.fromEntries(Object.entries(route.query).filter(([name]) => !names.includes(name as Name)));
    void router.replace({ query });
  };
  const any = computed(() => names.some((name) => filters.value[name] !== ""));
  return { filters, set, clear, any };
};
