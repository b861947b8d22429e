import { readFileSync, writeFileSync } from "node:fs";
import { build } from "vite";

// The page for the server empties the folder, so it comes first.
for (const mode of ["production", "report"]) await build({ mode, logLevel: "warn" });

// A browser decodes a file of nothing but ASCII ten times as fast, and it does so before it paints anything of a report.
for (const [name, escape] of [
    ["report.js", (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`],
    ["report.css", (unit) => `\\${unit.charCodeAt(0).toString(16)} `],
]) {
    const path = new URL(`../src/pytest_otlp/viewer/page/${name}`, import.meta.url);
    writeFileSync(path, readFileSync(path, "utf8").replace(/[^\0-\x7f]/g, escape));
}
