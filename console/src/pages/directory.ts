/** The pages of who is told, as one file: together they compress better than one by one. */

export { default as People } from "./people";
export { default as Groups } from "./groups";
export { default as Imports } from "./imports";
