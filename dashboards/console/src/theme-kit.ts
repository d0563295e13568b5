import { darkTheme } from "naive-ui";

/** Only the base of the kit's dark theme: naming each component's part would load all of them. */
export const naiveDark = { name: darkTheme.name, common: darkTheme.common };
