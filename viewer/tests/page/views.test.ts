import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { readFileSync, writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faults, folder, launch, missing, open, Project, remove, report, View, type Watched } from "./real";

const VIEWS = [
    "overview",
    "tests",
    "tests&test=40",
    "failures",
    "timeline",
    "slowest",
    "slowest&by=files",
    "slowest&by=fixtures",
    "flaky",
    "compare",
];

describe.skipIf(missing)(`a run that is over${missing && `: ${missing}`}`, () => {
    let browser: Browser;
    let view: View;
    let project: Project;
    let place: string;
    let run: string;
    const live: { watched?: Watched } = {};

    const page = (): Page => live.watched!.page;
    const go = (hash: string) => page().evaluate((h) => void (location.hash = h), `run=${run}&${hash}`);
    const rows = () => page().locator(".tests .row");
    const names = () => page().locator(".tests .row .name").allInnerTexts();

    beforeAll(async () => {
        [browser, place, project] = [await launch(), folder(), new Project()];
        view = await new View(folder()).start();
        await project.run(view);
        project.file("second");
        await project.run(view, "-n2", "-p", "xdist");
        live.watched = await open(browser, view.page);
        await page().locator(".run-card").nth(1).waitFor();
        run = await page().evaluate(
            async () => ((await (await fetch("/api/runs")).json()) as { runs: { id: string }[] }).runs[0]!.id,
        );
    });
    afterAll(async () => {
        await browser.close();
        await view.kill("SIGTERM");
        for (const path of [view.state, place, project.path]) remove(path);
    });

    test("is filtered at each keystroke and sorted by a column", async () => {
        await go("view=tests");
        await page().locator("#filter").pressSequentially("many[3");
        await expect.poll(() => rows().count()).toBe(11);
        await page().keyboard.type("]");
        await expect.poll(names).toEqual(["test_many[3]"]);
        await page().locator("#filter").fill("name:many");
        await page().getByRole("button", { name: "Sort by Test" }).click();
        await expect
            .poll(async () => (await names()).slice(0, 3))
            .toEqual(["test_many[0]", "test_many[10]", "test_many[11]"]);
        await page().getByRole("button", { name: "Sort by Test" }).click();
        await expect.poll(async () => (await names())[0]).toBe("test_many[9]");
        await page().locator("#filter").fill("");
        await page().locator(".chip", { hasText: "skipped" }).click();
        await expect.poll(names).toEqual(["test_skipped"]);
        await expect.poll(() => page().url()).toContain("q=outcome:skipped");
    });

    test("says in a row that was another test's what a row made anew says", async () => {
        const told = () =>
            page()
                .locator(".tests .row")
                .evaluateAll((rows) =>
                    rows.map((row) => [
                        row.classList.contains("bad"),
                        row.querySelector("svg")!.getAttribute("aria-label"),
                        row.querySelector<HTMLElement>(".test-name")!.title,
                        ...[...row.querySelectorAll("span, .badge")].map((part) => part.textContent),
                        row.querySelector<HTMLElement>(".duration")!.style.backgroundSize,
                    ]),
                );
        const queries = ["-many", "outcome:failed,error", "is:flaky", "marker:slow", "many", ""];
        const anew: unknown[] = [];
        for (const q of queries) {
            await go(`view=tests&q=${encodeURIComponent(q)}`);
            await page().reload();
            await rows().first().waitFor();
            anew.push(await told());
        }
        for (const [i, q] of queries.entries()) {
            await page().locator("#filter").fill(q);
            await expect.poll(told, { message: q }).toEqual(anew[i]);
        }
    });

    test("shortens a test's file before its name", async () => {
        await go("view=tests&q=many");
        await expect.poll(() => rows().count()).toBeGreaterThan(10);
        const [whole, narrow] = await rows()
            .first()
            .evaluate((row) => {
                const cell = row.querySelector<HTMLElement>(".test-name")!;
                const widths = () => [...cell.children].map((part) => part.getBoundingClientRect().width);
                const before = widths();
                cell.style.width = `${before[0]! / 2 + before[1]! + 8}px`;
                const after = widths();
                cell.style.width = "";
                return [before, after];
            });
        expect(narrow![0]).toBeLessThan(whole![0]!);
        expect(narrow![1]).toBe(whole![1]);
    });

    test("has the right rows in sight wherever it is scrolled to, and soon those around", async () => {
        await page().setViewportSize({ width: 1400, height: 2600 });
        await go("view=tests&sort=test");
        const ids = () =>
            page()
                .locator(".tests .row .test-name")
                .evaluateAll((cells) => cells.map((cell) => cell.getAttribute("title")!));
        await expect.poll(async () => (await ids()).length).toBeGreaterThan(50);
        const all = await ids();
        await page().setViewportSize({ width: 1400, height: 480 });
        const scrolled = (top: number) =>
            page()
                .locator(".tests")
                .evaluate(async (list, top) => {
                    list.scrollTop = top;
                    for (let i = 0; i < 2; i++) await new Promise((done) => requestAnimationFrame(done));
                    const rows = [...list.querySelectorAll(".row")];
                    const [edge, { bottom }] = [
                        list.querySelector(".rows-head")!.getBoundingClientRect().bottom,
                        list.getBoundingClientRect(),
                    ];
                    const seen = rows.filter((row) => {
                        const box = row.getBoundingClientRect();
                        return box.bottom > edge && box.top < bottom;
                    });
                    const told = (row: Element): [number, string] => [
                        Number(row.getAttribute("aria-rowindex")) - 2,
                        row.querySelector<HTMLElement>(".test-name")!.title,
                    ];
                    return { seen: seen.map(told), ids: rows.map((row) => row.id) };
                }, top);
        for (const top of [0, 90, 900, 930, 60, 1200, 300, 1500, 0]) {
            const { seen, ids: made } = await scrolled(top);
            const first = seen[0]![0];
            expect(seen, `at ${top}`).toEqual(all.slice(first, first + seen.length).map((id, i) => [first + i, id]));
            expect(first * 30).toBeLessThanOrEqual(top + 30);
            expect(new Set(made).size, `at ${top}`).toBe(made.length);
            const last = Math.min(all.length, first + seen.length + 4);
            const around = async () => {
                const there = await ids();
                const begin = all.indexOf(there[0]!);
                return begin <= Math.max(0, first - 4) && all.slice(begin, last).every((id, i) => id === there[i]);
            };
            await expect.poll(around, { message: `around ${top}, in the order in which they are read` }).toBe(true);
        }
        await page().setViewportSize({ width: 1400, height: 900 });
    });

    test("is one address: another window shows the same", async () => {
        await go("view=tests&q=needs&sort=-test");
        await rows().first().waitFor();
        await rows().nth(1).click();
        await page().locator(".detail h2").waitFor();
        const other = await page().context().newPage();
        await other.goto(page().url());
        await other.locator(".detail h2").waitFor();
        expect(await other.locator(".detail h2").innerText()).toBe(await page().locator(".detail h2").innerText());
        expect(await other.locator(".tests .row .name").allInnerTexts()).toEqual([
            "test_needs[2]",
            "test_needs[1]",
            "test_needs[0]",
        ]);
        await other.close();
        await page().goBack();
        await expect.poll(() => page().locator(".detail").count()).toBe(0);
    });

    test("tells each warning once, with a test that it came from", async () => {
        await go("view=overview");
        const told = page()
            .getByRole("region", { name: "Warnings" })
            .getByRole("listitem")
            .filter({ hasText: "alert(3)" });
        await expect.poll(() => told.count()).toBe(1);
        expect(await told.innerText()).toMatch(/^UserWarning: <img src=x onerror=alert\(3\)>\s+test_shop.py:\d+\s+×2$/);
        await told.getByRole("link").click();
        await expect.poll(() => page().locator(".detail h2").innerText()).toContain("test_warns[");
    });

    test("is read with the keyboard alone", async () => {
        await go("view=overview");
        await page().locator(".overview").waitFor();
        await page().keyboard.press("2");
        await rows().first().waitFor();
        await page().keyboard.press("/");
        await page().keyboard.type("test_needs");
        await expect.poll(() => rows().count()).toBe(3);
        await page().keyboard.press("ArrowDown");
        await page().keyboard.press("ArrowDown");
        await page().keyboard.press("j");
        const first = await page().locator(".detail h2").innerText();
        await page().keyboard.press("j");
        await expect.poll(() => page().locator(".detail h2").innerText()).not.toBe(first);
        expect(await page().locator(".rows").first().getAttribute("aria-activedescendant")).toMatch(/^test-\d+$/);
        await page().keyboard.press("Escape");
        await expect.poll(() => page().locator(".detail").count()).toBe(0);
        await page().keyboard.press("?");
        await page().getByRole("dialog").waitFor();
        await page().keyboard.press("Escape");
    });

    test("goes from line to line by key wherever something is listed", async () => {
        const focused = () => page().evaluate(() => (document.activeElement as HTMLElement).innerText);
        const walked = async (hash: string, ready: string) => {
            await page().evaluate((h) => void (location.hash = h), hash);
            await page().locator(ready).first().waitFor();
            const seen: string[] = [];
            for (const key of ["j", "j", "ArrowDown", "k", "ArrowUp"]) {
                await page().keyboard.press(key);
                seen.push(await focused());
            }
            return seen;
        };
        const expected = (lines: string[]) => {
            let at = 0;
            return [0, 1, 1, -1, -1].map((by) => lines[(at = Math.min(Math.max(at + by, 0), lines.length - 1))]);
        };
        for (const [hash, ready, lines] of [
            ["view=", ".run-card", ".run-name"],
            [`run=${run}&view=failures`, ".cause", ".cause > summary, .cause[open] li a"],
            [`run=${run}&view=slowest`, ".plain", ".plain .main a"],
            [`run=${run}&view=slowest&by=fixtures`, ".plain", ".plain tbody a"],
            [`run=${run}&view=flaky`, "section:nth-of-type(2) .plain", ".plain .main a"],
            [`run=${run}`, ".failure-list", ".failure-list a"],
        ] as const) {
            const walk = await walked(hash, ready);
            expect.soft(walk, hash).toEqual(expected(await page().locator(lines).allInnerTexts()));
        }
        await page().keyboard.press("Enter");
        await page().locator(".detail h2").waitFor();
    });

    test("has a cursor in a comparison, which leaves only with Enter", async () => {
        await go("view=compare&kind=still");
        await page().locator(".pairs .row").first().waitFor();
        for (const key of ["j", "j", "j"]) await page().keyboard.press(key);
        await expect.poll(() => page().locator(".pairs").getAttribute("aria-activedescendant")).toBe("pair-1");
        expect(page().url()).toContain("view=compare");
        const name = (await page().locator("#pair-1 .mono").innerText()).split("::")[1]!;
        await page().keyboard.press("Enter");
        await expect.poll(() => page().locator(".detail h2").innerText()).toContain(name);
    });

    test("reaches each test of the timeline by key, and shows it where the chart was enlarged elsewhere", async () => {
        await go("view=timeline&zoom=0~1000");
        await page().locator(".chart-box").waitFor();
        const shown = () => page().locator(".detail h2").innerText();
        await page().keyboard.press("j");
        await page().keyboard.press("j");
        await expect.poll(shown).toContain("test_");
        const first = await shown();
        await expect.poll(() => page().url()).toMatch(/zoom=[1-9]\d+(~|%7E)\d+/);
        await page().keyboard.press("j");
        await expect.poll(shown).not.toBe(first);
        await page().keyboard.press("k");
        await expect.poll(shown).toBe(first);
        const worker = () => page().locator(".detail .facts div", { hasText: "worker" }).innerText();
        expect(await worker()).toContain("gw0");
        await page().keyboard.press("ArrowDown");
        await expect.poll(worker).toContain("gw1");
    });

    test("has a test's failure, output, log, properties, spans and command", async () => {
        await go("view=tests&q=test_breaks");
        await rows().first().click();
        const detail = page().locator(".detail");
        await detail.locator(".traceback").waitFor();
        expect(await detail.locator(".exception").innerText()).toBe("AssertionError");
        expect(await detail.locator(".tb-error").first().innerText()).toContain(
            "assert {'net': 10, 'tax': 2} == {'net': 10, 'tax': 3}",
        );
        await detail.locator(".output", { hasText: "what was printed" }).waitFor();
        expect(await detail.getByText("what was logged").count()).toBeGreaterThan(0);
        await detail.locator(".attributes", { hasText: "SHOP-12" }).waitFor();
        expect(await detail.locator(".spans .span-name .ellipsis").allInnerTexts()).toEqual(
            expect.arrayContaining(["setup", "call", "fixture database (module)"]),
        );
        await page().context().grantPermissions(["clipboard-read", "clipboard-write"]);
        await detail.getByRole("button", { name: "Copy pytest command" }).click();
        await expect
            .poll(() => page().evaluate(() => navigator.clipboard.readText()))
            .toBe("pytest test_shop.py::test_breaks");
        await detail.locator(".spans .row", { hasText: "call" }).click();
        await detail.getByRole("region", { name: "Span" }).waitFor();
        await expect.poll(() => page().url()).toMatch(/span=\d/);
    });

    test("groups failures, compares with the run before, knows the flaky, the slow, the workers", async () => {
        await go("view=failures");
        await expect
            .poll(() => page().locator(".cause", { hasText: "db:5432 refused" }).locator(".cause-count").innerText())
            .toBe("3");
        await go("view=compare");
        await expect
            .poll(() => page().locator(".pairs .row").allInnerTexts())
            .toEqual([expect.stringContaining("test_changes")]);
        await page().getByRole("button", { name: "Still failing" }).click();
        await expect.poll(() => page().locator(".pairs .row").count()).toBe(8);
        await go("view=flaky");
        await page().locator("section", { hasText: "In this run" }).getByText("test_flaky").waitFor();
        await page().locator("section", { hasText: "In the last runs" }).getByText("test_changes").waitFor();
        await go("view=slowest&by=fixtures");
        await page().getByRole("cell", { name: "database" }).waitFor();
        await go("view=timeline");
        await expect.poll(() => page().locator(".plain tbody th").allInnerTexts()).toEqual(["gw0", "gw1"]);
        await page().locator(".chart-box").focus();
        await page().keyboard.press("+");
        await expect.poll(() => page().url()).toContain("zoom=");
    });

    test("shows hostile names as text", async () => {
        await go("view=tests&q=hostile");
        await expect
            .poll(names)
            .toEqual(
                expect.arrayContaining([
                    expect.stringContaining("<img src=x onerror=alert(1)>"),
                    expect.stringContaining("</script><script>alert(2)</script>"),
                    expect.stringContaining("&lt;b&gt;"),
                ]),
            );
        for (const row of await rows().all()) {
            await row.click();
            await page().locator(".detail .traceback").waitFor();
        }
        expect(await page().locator("img, .detail b b, iframe").count()).toBe(0);
    });

    test.each([
        ["light", 1400],
        ["dark", 1400],
        ["light", 375],
    ] as const)("axe finds nothing in any view: %s, %i px", async (colours, width) => {
        await page().setViewportSize({ width, height: 900 });
        await page().emulateMedia({ colorScheme: colours });
        for (const hash of VIEWS) {
            await go(`view=${hash}`);
            await page().locator(".overview, .list, .page, .fill, .detail").locator("visible=true").first().waitFor();
            await expect.poll(() => page().locator(".loading").count()).toBe(0);
            expect.soft(await faults(page()), hash).toEqual([]);
            expect
                .soft(
                    await page().evaluate(() => document.documentElement.scrollWidth - innerWidth),
                    `${hash} is not wider than the screen`,
                )
                .toBeLessThanOrEqual(0);
        }
        await page().evaluate(() => void (location.hash = ""));
        await page().locator(".run-card").first().waitFor();
        expect.soft(await faults(page()), "runs").toEqual([]);
        await page().setViewportSize({ width: 1400, height: 900 });
    });

    test("asked no other host, and broke no rule of its policy", () => expect(live.watched!.complaints).toEqual([]));

    describe("as a report file", () => {
        const file = () => report(view, run, join(place, "report.html"));
        const url = (path: string) => pathToFileURL(path).href;

        test("has the colours of a dark system from the start", async () => {
            const { page } = await open(browser, url(file()));
            await page.emulateMedia({ colorScheme: "dark" });
            await page.evaluate((h) => void (location.hash = h), `run=${run}&view=timeline`);
            await page.reload();
            await page.locator("canvas").first().waitFor();
            const white = () =>
                page.evaluate(() => {
                    const canvas = document.querySelector("canvas")!;
                    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
                    let [drawn, white] = [0, 0];
                    for (let i = 0; i < data.length; i += 4) {
                        if (data[i + 3]! > 0) drawn++;
                        if (Math.min(data[i]!, data[i + 1]!, data[i + 2]!) > 230) white++;
                    }
                    return drawn > 1000 ? white / drawn : -1;
                });
            await expect.poll(white).toBeGreaterThanOrEqual(0);
            expect(await white()).toBeLessThan(0.05);
            await page.close();
        });

        test("opens from the disk with all of it, and asks nobody", async () => {
            const { page, complaints } = await open(browser, url(file()));
            await page.locator(".failure-list a", { hasText: "test_breaks" }).click();
            await page.locator(".detail .traceback").waitFor();
            expect(await page.locator(".detail .traceback").innerText()).toContain(
                "assert {'net': 10, 'tax': 2} == {'net': 10, 'tax': 3}",
            );
            await page.locator(".output", { hasText: "what was printed" }).waitFor();
            expect(await page.locator("#pytest-otlp-static").count()).toBe(0);
            await page.keyboard.press("Escape");
            await page.locator("#filter").fill("hostile");
            await expect.poll(() => page.locator(".tests .row").count()).toBe(4);
            for (const row of await page.locator(".tests .row").all()) await row.click();
            expect(await page.locator(".tabs a").allInnerTexts(), "one run has no other").not.toContain("Compare");
            for (const hash of VIEWS.filter((name) => name !== "compare")) {
                await page.evaluate((h) => void (location.hash = h), `run=${run}&view=${hash}`);
                await page.locator(".overview, .list, .page").locator("visible=true").first().waitFor();
                await expect.poll(() => page.locator(".loading").count()).toBe(0);
                expect.soft(await faults(page), hash).toEqual([]);
            }
            expect(complaints).toEqual([]);
        });

        test("opens as a folder", async () => {
            const { page, complaints } = await open(
                browser,
                url(join(report(view, run, join(place, "folder"), "--dir"), "index.html")),
            );
            await page.locator(".failure-list a", { hasText: "test_breaks" }).waitFor();
            expect(complaints).toEqual([]);
        });

        test("says what failed without script", async () => {
            const { page } = await open(browser, url(file()), { javaScriptEnabled: false });
            await page.getByText("test_breaks").first().waitFor();
            expect((await page.locator("h1").boundingBox())!.y, "on the first screen").toBeLessThan(100);
        });

        test.each(["dark", "light"] as const)("is %s without script where the system is", async (colorScheme) => {
            const { page } = await open(browser, url(file()), { javaScriptEnabled: false, colorScheme });
            const [paper, ink] = await page.evaluate(() => {
                const { backgroundColor, color } = getComputedStyle(document.body);
                return [backgroundColor, color].map((rgb) => Number(/\d+/.exec(rgb)![0]));
            });
            expect(colorScheme === "dark" ? [paper! < 50, ink! > 200] : [paper! > 200, ink! < 50]).toEqual([
                true,
                true,
            ]);
        });

        test("that is cut off says so instead of waiting", async () => {
            const whole = readFileSync(file(), "utf8");
            const cut = join(place, "cut.html");
            writeFileSync(cut, whole.slice(0, whole.indexOf('id="pytest-otlp-details-0"') - 40));
            const { page } = await open(browser, url(cut));
            await page.locator(".failure-list a").first().click();
            await page.getByText("The file is cut off").waitFor();
        });
    });
});
