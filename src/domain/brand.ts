declare const brand: unique symbol;

/** A value of type T that has been checked to be a Name: made at the edge (`codec/`, `config.ts`), passed on inside. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
