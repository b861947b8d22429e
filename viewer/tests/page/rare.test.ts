import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folder, launch, missing, open, Project, remove, runsOf, View, type Watched } from "./real";

const ok = "def test_ok(): pass\n";

describe.skipIf(missing)(`runs that are not like most${missing && `: ${missing}`}`, () => {
    let browser: Browser;
    let view: View;
    const projects: Project[] = [];
    const live: { watched?: Watched } = {};
    const page = (): Page => live.watched!.page;

    /** A run of these files; its id. */
    const run = async (service: string, files: Record<string, string>, ...args: string[]): Promise<string> => {
        const project = new Project(files);
        projects.push(project);
        await project.run(view, `--otel-service-name=${service}`, ...args);
        return (await runsOf(page(), service))[0]!;
    };
    const go = (hash: string) => page().evaluate((h) => void (location.hash = h), hash);

    beforeAll(async () => {
        browser = await launch();
        view = await new View(folder()).start();
        live.watched = await open(browser, view.page);
        await page().getByText("Waiting for the first run").waitFor();
    });
    afterAll(async () => {
        await browser.close();
        await view.kill("SIGTERM");
        for (const path of [view.state, ...projects.map((project) => project.path)]) remove(path);
    });

    test("files that cannot be collected stand among the failures, with their tracebacks", async () => {
        const bad = "import nosuchmodule\n";
        const id = await run("broken", { "test_a.py": bad, "test_b.py": bad, "test_ok.py": ok });
        await page().setViewportSize({ width: 1100, height: 900 });
        await go(`run=${id}`);
        const failures = page().getByRole("region", { name: "Failures" });
        await failures.locator("summary", { hasText: "test_a.py" }).waitFor();
        expect(await failures.locator("summary").allInnerTexts()).toEqual(
            ["test_a.py", "test_b.py"].map((file) => `${file}\nModuleNotFoundError: No module named 'nosuchmodule'`),
        );
        expect(await failures.innerText()).not.toContain("No tests");
        expect(await page().getByText("The run itself").count(), "that it stopped for them is no failure more").toBe(0);
        const right = await failures.locator(".traceback").first().boundingBox();
        const about = await page().getByRole("region", { name: "About the run" }).boundingBox();
        expect(right!.x + right!.width).toBeLessThanOrEqual(about!.x);
        await page().setViewportSize({ width: 1400, height: 900 });
        const tab = page().getByRole("link", { name: "Failures" });
        expect(await tab.innerText()).toMatch(/2$/);
        await tab.click();
        await expect.poll(() => page().locator(".cause-count").allInnerTexts()).toEqual(["2"]);
        await page().locator(".cause .traceback", { hasText: "import nosuchmodule" }).first().waitFor();
    });

    test("an internal error of pytest is the first of the failures", async () => {
        const conftest = `
import pytest
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    if item.name == "test_z": raise RuntimeError("the hook broke")
`;
        const id = await run("internal", {
            "conftest.py": conftest,
            "test_a.py": "def test_a(): assert 0\ndef test_z(): pass",
        });
        await go(`run=${id}`);
        const first = page().getByRole("region", { name: "Failures" }).getByRole("listitem").first();
        await expect.poll(() => first.innerText()).toMatch(/^pytest\nRuntimeError: the hook broke/);
        await go(`run=${id}&view=failures`);
        await expect
            .poll(() => page().locator(".cause > summary b").allInnerTexts())
            .toEqual(["RuntimeError", "AssertionError"]);
    });

    test("no script failed, and nobody else was asked", () => expect(live.watched!.complaints).toEqual([]));
});
