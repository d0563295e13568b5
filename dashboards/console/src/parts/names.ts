import { kinds, names } from "../district.ts";
import { useFormat } from "../format.ts";

/** What ids are called: by the register where it is known, by the catalog for the streets of the plan, else the id. */
export const useNames = () => {
  const { t, text, word } = useFormat();
  const street = (id: string): string => text(names.value.street.get(id), word("street", id));
  /** `沙城` for 沙城街道, where there is little room. */
  const streetShort = (id: string): string => {
    const short = word("streetShort", id);
    return short === id ? street(id) : short;
  };
  const grid = (id: string): string => text(names.value.grid.get(id), id);
  const person = (id: string): string => text(names.value.person.get(id), id);
  const kind = (id: string): string => text(kinds.get(id)?.name, word("kind", id));
  const attribute = (ofKind: string, id: string, value: string): { name: string; value: string } => {
    const known = kinds.get(ofKind)?.attributes?.find((one) => one.id === id);
    return {
      name: text(known?.name, word("things.attribute", id)),
      value: text(known?.values.find((one) => one.id === value)?.name, value),
    };
  };
  const district = (): string => text(names.value.district ?? undefined, t("brand.district"));
  return { street, streetShort, grid, person, kind, attribute, district };
};
