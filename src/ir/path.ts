/** A path within a scope; either may be empty. */
export const joinPath = (scope: string, path: string): string =>
  scope === '' ? path : path === '' ? scope : `${scope}.${path}`;
