import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faults, folder, launch, missing, open, Project, remove, runsOf, View, type Watched } from "./real";

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
    const plain = "0123456789abcdef0123456789abcdef";
    /** A span of an application that no test called. */
    const request = async () => {
        const now = `${Date.now()}000000`;
        const span = { traceId: plain, spanId: "0123456789abcdef", name: "GET /cart", kind: 2 };
        const body = {
            resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, startTimeUnixNano: now, endTimeUnixNano: now }] }] }],
        };
        const { ok } = await fetch(`${view.endpoint}/v1/traces`, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify(body),
        });
        expect(ok).toBe(true);
    };
    const go = (hash: string) => page().evaluate((h) => void (location.hash = h), hash);

    beforeAll(async () => {
        browser = await launch();
        view = await new View(folder(), "--trace-url=http://jaeger.test/{trace_id}?again={trace_id}").start();
        live.watched = await open(browser, view.page);
        await page().getByText("Waiting for the first run").waitFor();
        await request();
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

    test("they stand there while the other tests go on", async () => {
        const waits = (name: string) =>
            `import time; from pathlib import Path\ndef until(name):\n    end = time.monotonic() + 60\n` +
            `    while not Path(name).exists(): assert time.monotonic() < end; time.sleep(.02)\n${name}\n`;
        const project = new Project({
            "test_a.py": waits('until("collect")'),
            "test_b.py": "import nosuchmodule\n",
            "test_c.py": waits('def test_c(): until("go")'),
        });
        projects.push(project);
        const process = project.start(view, "--otel-service-name=goes-on", "--continue-on-collection-errors");
        const over = new Promise((done) => process.once("exit", done));
        process.stdout!.resume();
        await go("");
        await page().getByRole("link", { name: "goes-on" }).click();
        await page().getByText("Nothing has failed so far").waitFor();
        project.file("collect");
        await page().getByRole("region", { name: "Failures" }).getByText("test_b.py", { exact: true }).waitFor();
        await page().getByRole("region", { name: "Running now" }).getByText("test_c").waitFor();
        expect(await page().locator(".badge.o-running").count()).toBe(1);
        project.file("go");
        await over;
        await page().locator(".badge.o-failed").waitFor();
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

    test("a test, a run and a plain trace each lead to their own trace elsewhere", async () => {
        const files = { "test_a.py": ok, "test_b.py": ok };
        const id = await run("traces", files, "--otel-trace-per=file");
        const to = (trace: string) => `http://jaeger.test/${trace}?again=${trace}`;
        const links: string[] = [];
        for (const n of [0, 1]) {
            await go(`run=${id}&view=tests&test=${n}`);
            await expect
                .poll(() => page().locator(".detail h2").innerText())
                .toContain(n === 0 ? "test_a.py" : "test_b.py");
            links.push((await page().getByRole("link", { name: "Open trace" }).getAttribute("href"))!);
        }
        const { traces } = (await page().evaluate(async (id) => (await fetch(`/api/runs/${id}`)).json(), id)) as {
            traces: string[];
        };
        expect(traces.length).toBe(3);
        expect(links.slice().sort()).toEqual(traces.slice(1).map(to).sort());
        await go(`run=${id}`);
        expect(await page().getByRole("link", { name: traces[0]! }).getAttribute("href")).toBe(to(traces[0]!));
        await go(`view=traces&trace=${plain}`);
        expect(await page().getByRole("link", { name: "Open trace" }).getAttribute("href")).toBe(to(plain));
        await page().getByRole("link", { name: "All traces" }).click();
        await page().getByRole("cell", { name: "GET /cart" }).waitFor();
    });

    test("a run is not compared with another service's unless that is chosen", async () => {
        const id = await run("only", { "test_a.py": ok });
        await page().setViewportSize({ width: 375, height: 800 });
        await go(`run=${id}&view=compare`);
        await page().getByText("There is no earlier run of only yet").waitFor();
        expect(await page().locator(".pairs").count()).toBe(0);
        expect(await faults(page())).toEqual([]);
        expect(await page().evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
        await page().setViewportSize({ width: 1400, height: 900 });
        await page().getByLabel("Compared with").selectOption({ index: 1 });
        await page().getByRole("button", { name: "Added" }).waitFor();
    });

    test("colours of terminals are not shown, and nothing turns the text round", async () => {
        const odd = `
red = "\\x1b[31mred\\x1b[0m"
def test_odd():
    print(red)
    assert not red, "a \\u202egnp.exe"
`;
        const id = await run("odd", { "test_odd.py": odd });
        await go(`run=${id}&view=tests&test=0&q=is:foo`);
        const detail = page().locator(".detail");
        await detail.locator(".traceback").waitFor();
        expect(await detail.locator(".output").first().innerText()).toBe("red\n");
        expect(await page().locator("body").innerText()).not.toMatch(/\x1b|\u202e/);
        await detail.getByText("AssertionError: a \\u202egnp.exe").first().waitFor();
        await page().context().grantPermissions(["clipboard-read", "clipboard-write"]);
        await detail.locator("section", { hasText: "Captured stdout" }).getByRole("button", { name: "Copy" }).click();
        await expect.poll(() => page().evaluate(() => navigator.clipboard.readText())).toBe("red\n");
        expect(await page().locator(".counts").innerText()).toMatch(/^1 test$/m);
        await page().getByText("No such filter: is:foo").waitFor();
        expect(await faults(page())).toEqual([]);
    });

    test.each([1400, 375])("axe finds nothing where there is no run: %i px", async (width) => {
        await page().setViewportSize({ width, height: 800 });
        const views = {
            "view=traces": "GET /cart",
            [`view=traces&trace=${plain}`]: "All traces",
            [`view=traces&trace=${"0".repeat(32)}`]: "This trace is not here",
            "run=gone": "This run is not here",
        };
        for (const [hash, text] of Object.entries(views)) {
            await go(hash);
            await page().getByText(text).first().waitFor();
            expect.soft(await faults(page()), hash).toEqual([]);
            const beyond = await page().evaluate(() => document.documentElement.scrollWidth - innerWidth);
            expect.soft(beyond, `${hash} is not wider than the screen`).toBeLessThanOrEqual(0);
        }
        const { page: stranger } = await open(browser, new URL("/", view.page).href);
        await stranger.getByText("This browser may not look in yet").waitFor();
        expect.soft(await faults(stranger), "without a token").toEqual([]);
        await stranger.close();
        await page().setViewportSize({ width: 1400, height: 900 });
    });

    test("runs that are over and plain traces are removed, asked once", async () => {
        const asked: string[] = [];
        page().removeAllListeners("dialog");
        page().on("dialog", (dialog) => {
            asked.push(dialog.message());
            void dialog.accept();
        });
        await go("");
        const before = await page().locator(".run-card").count();
        await page().locator(".run-card").first().getByRole("button", { name: "remove" }).click();
        await expect.poll(() => page().locator(".run-card").count()).toBe(before - 1);
        await page()
            .getByRole("button", { name: `remove all ${before - 1} runs` })
            .click();
        await page().getByText("Waiting for the first run").waitFor();
        await page().getByRole("link", { name: "1 trace that is no pytest run" }).click();
        await page().getByRole("button", { name: "remove all" }).click();
        await page().getByText("No other traces").waitFor();
        expect(asked.map((text) => text.replace(/ of .*/, ""))).toEqual([
            "Remove this run",
            `Remove all ${before - 1} runs that are over from the store?`,
            "Remove all traces that are no pytest run from the store?",
        ]);
    });

    test("no script failed, and nobody else was asked", () =>
        // What is not there was asked for on purpose.
        expect(live.watched!.complaints.filter((said) => !said.includes("404 (Not Found)"))).toEqual([]));
});
