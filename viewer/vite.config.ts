import { defineConfig } from "vite";

// Twice the same page: modules with hashed names for the server, and (mode "report") one classic script and one style sheet
// that fit into a file.
const out = "../src/pytest_otlp/viewer/page";

export default defineConfig(({ mode }) => ({
    base: "./",
    build: {
        outDir: out,
        emptyOutDir: mode !== "report",
        target: "es2022",
        modulePreload: false as const,
        assetsInlineLimit: 0,
        reportCompressedSize: true,
        ...(mode === "report" && {
            lib: {
                entry: "src/main.tsx",
                formats: ["iife" as const],
                name: "pytestOtlp",
                fileName: () => "report.js",
                cssFileName: "report",
            },
        }),
    },
}));
