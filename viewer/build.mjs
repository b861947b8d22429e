import { build } from "vite";

// The page for the server empties the folder, so it comes first.
for (const mode of ["production", "report"]) await build({ mode, logLevel: "warn" });
