import { defineConfig } from "vite";

// Twice the same page: modules with hashed names for the server, and (mode "report") one classic script and one style sheet
// that fit into a file.
const out = "../src/pytest_otlp/viewer/page";

export default defineConfig(({ mode }) => ({
    base: "./",
    // h(tag, props, ...children) is shorter than jsx(tag, { ...props, children }): 4 KB in all.
    oxc: {
        jsx: { runtime: "classic", pragma: "h", pragmaFrag: "Fragment" },
        jsxInject: 'import { h, Fragment } from "preact"',
    },
    build: {
        outDir: out,
        emptyOutDir: mode !== "report",
        target: "es2022",
        // No colours by polyfill: it stands in for what the style does not use.
        cssTarget: ["chrome123", "firefox120", "safari17.5"],
        modulePreload: false as const,
        assetsInlineLimit: 0,
        ...(mode === "report" && {
            lib: {
                entry: "src/report.ts",
                formats: ["iife" as const],
                name: "pytestOtlp",
                fileName: () => "report.js",
                cssFileName: "report",
            },
        }),
    },
}));
