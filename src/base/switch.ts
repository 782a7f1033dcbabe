/** What may be turned off. */
export const SWITCH = ['on', 'off'] as const;
export type Switch = (typeof SWITCH)[number];
