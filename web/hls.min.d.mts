// The types of hls.min.mjs, for `make page-types`: those of the package that the tests install.
export * from "hls.js";
export { default } from "hls.js";
