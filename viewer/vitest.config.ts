import { defineConfig } from "vitest/config";

export default defineConfig({
    test: {
        projects: [
            { test: { name: "logic", include: ["tests/logic/*.test.ts"] } },
            // A real browser, a real server and real runs of pytest: one after the other.
            {
                test: {
                    name: "page",
                    include: ["tests/page/*.test.ts"],
                    fileParallelism: false,
                    testTimeout: 90_000,
                    hookTimeout: 120_000,
                },
            },
            { test: { name: "bench", include: ["bench/view.ts"], testTimeout: 600_000, hookTimeout: 120_000 } },
        ],
    },
});
