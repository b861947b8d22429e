// `make bench-view`: what the one who looks waits for. On a quiet machine: a busy one measures its own business.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acted, frames, opened, settled, type Waited } from "./paint";
import { folder, launch, missing, open, python, remove, report, View } from "../tests/page/real";

// BENCH_TESTS=2000 shows in a minute that everything runs.
const TESTS = Number(process.env.BENCH_TESTS ?? 50_000);
const RATE = 20_000;
/** ms from frame to frame, at 60 a second, with one left out between. */
const MISSED = 25;
const SENDER = resolve("../benchmarks/view_sender.py");

/** Where what was measured goes, for the page with the results; nowhere by itself. */
const OUT = process.env.BENCH_OUT;
/** Reports of others, as benchmarks/view_reports.py made them. */
const REPORTS = JSON.parse(process.env.BENCH_REPORTS ?? "[]") as ReportFile[];

interface ReportFile {
    name: string;
    version: string;
    tests: number;
    bytes: number;
    url: string;
    /** Selector of one test in it. */
    row: string;
    /** What is typed into, or clicked, to see other tests, and to see them in another order; "" where there is none. */
    filter: string;
    text: string;
    sort: string;
}

interface Figure {
    figure: string;
    target: string;
    measured: string;
    reached: boolean | null;
}

const rows: Figure[] = [];
const peers: Record<string, string>[] = [];
const say = (figure: string, target: string, measured: string, reached: boolean | null = null) =>
    rows.push({ figure, target, measured, reached });
const ms = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : "never");
const part = (values: number[], share: number): number =>
    [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Infinity;
const spread = (values: number[]): string => `${ms(part(values, 0.5))} / ${ms(part(values, 1))}`;
const many = (n: number): string => n.toLocaleString("en");

function send(view: View, ...args: (string | number)[]) {
    const [what, ...numbers] = args.map(String);
    const sender = spawn(python, [SENDER, what!, view.endpoint, ...numbers], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: sender.stdout })[Symbol.asyncIterator]();
    return { sender, line: async () => (await lines.next()).value as string | undefined };
}

const heap = async (page: Page): Promise<number> => {
    const session = await page.context().newCDPSession(page);
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize / 1e6;
};

describe.skipIf(missing)("the page", () => {
    let browser: Browser;
    let view: View;
    let page: Page;
    let run = "";
    const place = folder();

    beforeAll(async () => {
        browser = await launch();
        view = await new View(folder()).start();
        ({ page } = await open(browser, view.page));
        await page.locator(".connection.on").waitFor();
    });
    afterAll(async () => {
        const shown = [...rows, ...peers].map((row) => `| ${Object.values(row).join(" | ")} |`);
        console.log(["| figure | to reach | measured | reached |", "|---|---|---|---|", ...shown].join("\n"));
        const versions = { Chromium: browser.version(), Node: process.versions.node };
        if (OUT) writeFileSync(OUT, JSON.stringify({ versions, rows, peers }));
        await browser.close();
        await view.kill("SIGTERM");
        for (const path of [view.state, place]) remove(path);
    });

    test("receipt to screen", async () => {
        const { sender, line } = send(view, "steady", TESTS, RATE);
        run = (await line())!;
        await page.evaluate((hash) => void (location.hash = hash), `run=${run}&view=tests&sort=-duration`);
        await page.locator(".run-title").waitFor();
        await page.evaluate(() => {
            // What is in the markup when a frame is made is on screen after it.
            const seen: [number, number][] = [];
            const seenAll = () => {
                // A page that asks for each frame has what follows wait for the next one.
                over = true;
                return seen;
            };
            let over = false;
            Object.assign(window, { seenAll });
            const look = () => {
                if (over) return;
                const shown = Number(document.querySelector(".tests")?.getAttribute("aria-rowcount") ?? 1) - 1;
                if (shown !== seen.at(-1)?.[1])
                    setTimeout(() => seen.push([performance.timeOrigin + performance.now(), shown]));
                requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        });
        sender.stdin.write("\n");
        const sent: number[][] = [];
        for (let said = await line(); said !== undefined; said = await line()) sent.push(said.split(" ").map(Number));
        await page.waitForFunction(
            (n) => document.querySelector(".tests")?.getAttribute("aria-rowcount") === String(n + 1),
            TESTS,
        );
        await page.waitForTimeout(200);
        const seen = await page.evaluate(() => (window as unknown as { seenAll: () => [number, number][] }).seenAll());
        const late = sent.map(
            ([moment, count]) => (seen.find(([, shown]) => shown >= count!)?.[0] ?? Infinity) - moment!,
        );
        const rate = (TESTS * 4) / ((sent.at(-1)![0]! - sent[0]![0]!) / 1000);
        const held = await heap(page);
        say(
            `receipt to screen, ${many(Math.round(rate))} spans/s coming in: p50 / p95`,
            "p95 <= 250 ms",
            `${ms(part(late, 0.5))} / ${ms(part(late, 0.95))}`,
            part(late, 0.95) <= 250,
        );
        say(`browser's heap at ${many(TESTS * 4)} spans`, "<= 60 MB", `${held.toFixed(0)} MB`, held <= 60);
        expect(late.every(Number.isFinite)).toBe(true);
    });

    const list = async () => {
        await page.evaluate((hash) => void (location.hash = hash), `run=${run}&view=tests`);
        await page.locator(".tests .row").first().waitFor();
    };

    test("sort and filter", async () => {
        await list();
        const columns = await page.locator(".tests .row-head button").count();
        const sorts: Waited[] = [];
        for (let i = 1; i <= columns; i++) sorts.push(await acted(page, `.tests .row-head > :nth-child(${i}) button`));
        const filters: Waited[] = [];
        for (const q of ["4", "42", "outcome:failed", "worker:gw1 duration:>1s", "test_0123", "-outcome:passed", ""])
            filters.push(await acted(page, "#filter", q));
        for (const [what, limit, times] of [
            ["sort", 50, sorts],
            ["filter", 16, filters],
        ] as const)
            for (const [until, key] of [
                ["painted", "painted"],
                ["the markup is right", "script"],
            ] as const) {
                const taken = times.map((time) => time[key]);
                const goal = key === "painted" ? `<= ${limit} ms` : "";
                const reached = key === "painted" ? part(taken, 0.5) <= limit : null;
                say(
                    `${what} ${many(TESTS)}, until ${until}: median / worst of ${taken.length}`,
                    goal,
                    spread(taken),
                    reached,
                );
            }
    });

    test("open a test", async () => {
        const times: number[] = [];
        for (let i = 0; i < 12; i++) {
            await list();
            await page.locator(".tests").evaluate((rows, share) => {
                rows.scrollTop = rows.scrollHeight * share;
            }, i / 13);
            await page.waitForTimeout(200);
            times.push(
                await page.evaluate(async () => {
                    const rows = document.querySelectorAll<HTMLElement>(".tests .row");
                    const began = performance.now();
                    rows[Math.floor(rows.length / 2)]!.click();
                    while (!document.querySelector(".detail .spans .row"))
                        await new Promise((done) => requestAnimationFrame(done));
                    await new Promise((done) => setTimeout(done)); // painted when the next task runs
                    return performance.now() - began;
                }),
            );
            await page.keyboard.press("Escape");
        }
        const median = part(times, 0.5);
        say("open a test, until its spans are painted: median / worst of 12", "<= 50 ms", spread(times), median <= 50);
    });

    test.each([TESTS / 5, TESTS * 1.6])("a waterfall of %i spans", async (spans) => {
        const { line } = send(view, "trace", spans);
        const id = (await line())!;
        await page.waitForTimeout(1000);
        const { taken, freeze, scrolled } = await page.evaluate(
            async ([hash, count]) => {
                const frame = () => new Promise<number>((done) => requestAnimationFrame(done));
                const began = performance.now();
                location.hash = hash;
                const frames: number[] = [];
                let last = performance.now();
                const step = async () => {
                    await frame();
                    const now = performance.now();
                    frames.push(now - last);
                    last = now;
                };
                while (Number(document.querySelector(".spans")?.getAttribute("aria-rowcount") ?? 0) < count)
                    await step();
                const taken = performance.now() - began;
                const freeze = Math.max(...frames);
                const scrolled: number[] = [];
                const scroller = document.querySelector(".spans")!;
                let shown = await frame();
                for (let i = 0; i < 240; i++) {
                    scroller.scrollTop = i < 120 ? i * 240 : (scroller.scrollHeight * (i - 120)) / 120;
                    const next = await frame();
                    scrolled.push(next - shown);
                    shown = next;
                }
                return { taken, freeze, scrolled };
            },
            [`run=${id}&view=tests&test=0`, spans] as const,
        );
        const smooth = spans < TESTS;
        say(
            `waterfall of ${many(spans)}: open / longest freeze meanwhile`,
            smooth ? "" : "no freeze (<= 100 ms)",
            `${ms(taken)} / ${ms(freeze)}`,
            smooth ? null : freeze <= 100,
        );
        say(
            `waterfall of ${many(spans)}, a frame while it is scrolled: median / p95`,
            smooth ? "smooth (p95 <= 17 ms)" : "",
            `${ms(part(scrolled, 0.5))} / ${ms(part(scrolled, 0.95))}, ${scrolled.filter((took) => took > MISSED).length} missed`,
            smooth ? part(scrolled, 0.95) < 17.5 : null,
        );
    });

    test("frames of the machine itself", async () => {
        const empty = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
        await empty.setContent(`<button onclick="this.textContent += '.'">one</button>`);
        const words: Waited[] = [];
        for (let i = 0; i < 15; i++) words.push(await acted(empty, "button"));
        const painted = spread(words.map((word) => word.painted));
        say("a page of one word that gets longer, for comparison: until painted, median / worst of 15", "", painted);
        for (const [what, scrolls] of [
            ["does nothing", false],
            ["only scrolls an empty box", true],
        ] as const) {
            const taken = await frames(empty, scrolls);
            say(
                `a frame of a page that ${what}, for comparison: median / p95`,
                "",
                `${ms(part(taken, 0.5))} / ${ms(part(taken, 0.95))}`,
            );
        }
        await empty.context().close();
    });

    test("a report", async () => {
        const file = report(view, run, join(place, "report.html"));
        const firsts: number[] = [];
        const usables: number[] = [];
        for (let i = 0; i < 3; i++) {
            const { page, first, usable } = await opened(browser, pathToFileURL(file).href, ".overview");
            firsts.push(first);
            usables.push(usable);
            await page.context().close();
        }
        const empty = join(place, "empty.html");
        writeFileSync(empty, "<!doctype html><title>.</title><p>nothing");
        const nothing = await opened(browser, pathToFileURL(empty).href, "p");
        await nothing.page.context().close();
        const [first, usable] = [part(firsts, 0.5), part(usables, 0.5)];
        const size = (statSync(file).size - 120 * 1024) / TESTS;
        say(`report of ${many(TESTS)}: first paint, median / worst of 3`, "<= 200 ms", spread(firsts), first <= 200);
        say(`report of ${many(TESTS)}: usable, median / worst of 3`, "<= 500 ms", spread(usables), usable <= 500);
        say("first paint of an empty page, for comparison", "", ms(nothing.first));
        say("report: bytes a test, no output", "<= 100 + 120 KB", size.toFixed(0), size <= 100);
    });

    test.each(REPORTS)("the report of $name", async ({ name, version, tests, bytes, url, row, filter, text, sort }) => {
        const { page, first, usable, elements } = await opened(browser, url, row);
        const took = async (selector: string, typed?: string) =>
            selector ? ms(await settled(page, selector, typed)) : "has none";
        const sorted = await took(sort);
        peers.push({
            name: `${name} ${version}`,
            tests: many(tests),
            "first paint": ms(first),
            usable: ms(usable),
            "bytes a test": (bytes / tests).toFixed(0),
            elements: many(elements),
            filter: await took(filter, text || undefined),
            sort: sorted,
        });
        await page.context().close();
    });

    test("sizes", () => {
        const built = resolve("../src/pytest_otlp/viewer/page");
        const scripts = readdirSync(join(built, "assets")).filter((name) => name.endsWith(".js"));
        const sent = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(built, "assets", name))).length, 0);
        const whole = ["report.js", "report.css"].reduce((sum, name) => sum + statSync(join(built, name)).size, 0);
        const kb = (size: number) => `${(size / 1024).toFixed(0)} KB`;
        say("scripts, gzip", "<= 60 KB", kb(sent), sent <= 60 * 1024);
        say("page within a report", "<= 120 KB", kb(whole), whole <= 120 * 1024);
    });
});
