// `make bench-view`: what the one who looks waits for. On a quiet machine: a busy one measures its own business.
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folder, launch, missing, open, python, remove, report, View } from "../tests/page/real";

// BENCH_TESTS=2000 shows in a minute that everything runs.
const TESTS = Number(process.env.BENCH_TESTS ?? 50_000);
const RATE = 20_000;
const SENDER = resolve("../benchmarks/view_sender.py");

const rows: [string, string, string][] = [];
const say = (what: string, goal: string, figure: string) => rows.push([what, goal, figure]);
const ms = (value: number): string => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : "never");
const part = (values: number[], share: number): number =>
    values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Infinity;

function send(view: View, ...args: (string | number)[]) {
    const [what, ...numbers] = args.map(String);
    const sender = spawn(python, [SENDER, what!, view.endpoint, ...numbers], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: sender.stdout })[Symbol.asyncIterator]();
    return { sender, line: async () => (await lines.next()).value as string | undefined };
}

/** Change the address, and wait until what it shows has been painted. */
const shown = (page: Page, hash: string): Promise<number> =>
    page.evaluate(async (next) => {
        const channel = new MessageChannel();
        const painted = new Promise((done) => (channel.port1.onmessage = done));
        const began = performance.now();
        history.replaceState(null, "", `#${next}`);
        dispatchEvent(new HashChangeEvent("hashchange"));
        requestAnimationFrame(() => channel.port2.postMessage(0));
        await painted;
        return performance.now() - began;
    }, hash);

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
        await browser.close();
        await view.kill("SIGTERM");
        for (const path of [view.state, place]) remove(path);
        console.log(
            ["| figure | to reach | measured |", "|---|---|---|", ...rows.map((row) => `| ${row.join(" | ")} |`)].join(
                "\n",
            ),
        );
    });

    test("receipt to screen", async () => {
        const { sender, line } = send(view, "steady", TESTS, RATE);
        run = (await line())!;
        await page.evaluate((hash) => void (location.hash = hash), `run=${run}&view=tests&sort=-duration`);
        await page.locator(".run-title").waitFor();
        await page.evaluate(() => {
            // What is in the markup when a frame is made is on screen after it.
            const seen: [number, number][] = [];
            Object.assign(window, { seen });
            const look = () => {
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
        const seen = await page.evaluate(() => (window as unknown as { seen: [number, number][] }).seen);
        const late = sent.map(
            ([moment, count]) => (seen.find(([, shown]) => shown >= count!)?.[0] ?? Infinity) - moment!,
        );
        const rate = (TESTS * 4) / ((sent.at(-1)![0]! - sent[0]![0]!) / 1000);
        say(
            `receipt to screen at ${Math.round(rate).toLocaleString("en")} spans/s: p50 / p95`,
            "- / 250 ms",
            `${ms(part(late, 0.5))} / ${ms(part(late, 0.95))}`,
        );
        say(
            `browser's heap at ${(TESTS * 4).toLocaleString("en")} spans`,
            "60 MB",
            `${(await heap(page)).toFixed(0)} MB`,
        );
        expect(late.every(Number.isFinite)).toBe(true);
    });

    test("sort and filter", async () => {
        const list = `run=${run}&view=tests`;
        await shown(page, list);
        await page.locator(".tests .row").first().waitFor();
        const sorts: number[] = [];
        for (const by of ["-duration", "test", "outcome", "worker", "start", "duration"])
            sorts.push(await shown(page, `${list}&sort=${by}`));
        const filters: number[] = [];
        for (const q of ["4", "42", "outcome:failed", "worker:gw1 duration:>1s", "test_0123", "-outcome:passed", ""])
            filters.push(await shown(page, `${list}&sort=duration&q=${encodeURIComponent(q)}`));
        say(
            `sort ${TESTS.toLocaleString("en")}, until painted: median / worst of ${sorts.length} columns`,
            "50 ms",
            `${ms(part(sorts, 0.5))} / ${ms(part(sorts, 1))}`,
        );
        say(
            `filter ${TESTS.toLocaleString("en")}, until painted: median / worst of ${filters.length}`,
            "16 ms",
            `${ms(part(filters, 0.5))} / ${ms(part(filters, 1))}`,
        );
    });

    test("open a test", async () => {
        const times: number[] = [];
        for (let i = 0; i < 12; i++) {
            await shown(page, `run=${run}&view=tests`);
            times.push(
                await page.evaluate(
                    async (hash) => {
                        const began = performance.now();
                        location.hash = hash;
                        while (!document.querySelector(".detail .spans .row"))
                            await new Promise((done) => requestAnimationFrame(done));
                        return performance.now() - began;
                    },
                    `run=${run}&view=tests&test=${Math.floor((i * TESTS) / 13)}`,
                ),
            );
        }
        say("open a test: median / worst of 12", "50 ms", `${ms(part(times, 0.5))} / ${ms(part(times, 1))}`);
    });

    test.each([TESTS / 5, TESTS * 1.6])("a waterfall of %i spans", async (spans) => {
        const { line } = send(view, "trace", spans);
        const id = (await line())!;
        await page.waitForTimeout(1000);
        const { opened, frames } = await page.evaluate(
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
                const opened = performance.now() - began;
                const freeze = Math.max(...frames);
                frames.length = 0;
                const scroller = document.querySelector(".spans")!;
                for (let i = 0; i < 240; i++) {
                    scroller.scrollTop = i < 120 ? i * 240 : (scroller.scrollHeight * (i - 120)) / 120;
                    await step();
                }
                return { opened, frames: [freeze, ...frames] };
            },
            [`run=${id}&view=tests&test=0`, spans] as const,
        );
        const [freeze, ...scrolled] = frames;
        say(
            `waterfall of ${spans.toLocaleString("en")}: open / longest freeze while opening / frame while scrolling, p95`,
            "smooth",
            `${ms(opened)} / ${ms(freeze!)} / ${ms(part(scrolled, 0.95))}`,
        );
    });

    test("a report", async () => {
        const file = report(view, run, join(place, "report.html"));
        const { page: other } = await open(browser, "about:blank");
        await other.goto(pathToFileURL(file).href);
        await other.locator(".overview").waitFor();
        const usable = await other.evaluate(() => performance.now());
        const paint = await other.evaluate(
            () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
        );
        const size = statSync(file).size;
        say(
            `report of ${TESTS.toLocaleString("en")}: first paint / usable at most`,
            "200 / 500 ms",
            `${ms(paint)} / ${ms(usable)}`,
        );
        say("report: bytes a test", "100", ((size - 120 * 1024) / TESTS).toFixed(0));
    });
});
