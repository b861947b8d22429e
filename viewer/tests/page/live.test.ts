import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { counts, folder, launch, missing, open, Project, remove, View } from "./real";

const connected = (page: Page) => page.locator(".connection.on").waitFor();

describe.skipIf(missing)(`while a run goes on${missing && `: ${missing}`}`, () => {
    let browser: Browser;
    let view: View;
    let project: Project;

    beforeAll(async () => {
        browser = await launch();
        view = await new View(folder()).start();
    });
    afterAll(async () => {
        await browser.close();
        await view.kill("SIGTERM");
        remove(view.state);
        remove(project.path);
    });

    test("it grows, survives a reload, a dead receiver and its restart, and ends as pytest says", async () => {
        project = new Project();
        project.file("gate");
        const { page } = await open(browser, view.page);
        await page.getByText("Waiting for the first run").waitFor();
        expect(page.url()).not.toContain("token");

        const run = project.run(view);
        await page.getByRole("link", { name: "shop" }).click();
        await page.locator(".badge.o-running").waitFor();
        await page.locator(".failure-list a", { hasText: "test_breaks" }).waitFor();
        await page.getByRole("region", { name: "Running now" }).getByText("test_waits").waitFor();
        expect(project.has("go")).toBe(false);

        await page.getByRole("link", { name: "Timeline" }).click();
        await page.getByRole("cell", { name: "running" }).waitFor();
        const { width } = (await page.locator("canvas").boundingBox())!;
        await page.locator("canvas").hover({ position: { x: width - 3, y: 40 } });
        await page.locator(".tip", { hasText: "test_waits" }).waitFor();

        await page.getByRole("link", { name: "Tests" }).click();
        await page.locator(".tests .row").first().waitFor();
        await page.locator("#filter").fill("test_many[7]");
        await expect.poll(() => page.locator(".tests .row").count()).toBe(1);
        // The address is written when what it says has been painted.
        await expect.poll(() => page.url()).toContain("q=test_many");
        await page.reload();
        await expect.poll(() => page.locator(".tests .row").count()).toBe(1);
        expect(await page.locator("#filter").inputValue()).toBe("test_many[7]");

        await view.kill();
        await page.locator(".connection.off").waitFor();
        await view.start();
        await connected(page);
        project.file("go");
        const said = counts(await run);
        await page.locator(".badge.o-failed").waitFor();
        await page.locator("#filter").fill("");
        for (const [word, n] of Object.entries(said))
            await expect
                .poll(() =>
                    page
                        .locator(`.count.o-${word}`)
                        .innerText()
                        .then((text) => text.replace(/\s+/g, " ")),
                )
                .toBe(`${n} ${word}`);
        expect(Object.keys(said).length).toBeGreaterThan(3);
        await expect
            .poll(() => page.locator(".tests").getAttribute("aria-rowcount"))
            .toBe(String(Object.values(said).reduce((a, b) => a + b, 0) + 1));
    });

    test("seven tabs share one connection, and the next one takes over when a tab is closed", async () => {
        const { page: first } = await open(browser, view.page);
        await connected(first);
        const pages = [first];
        for (let i = 0; i < 6; i++) {
            const page = await first.context().newPage();
            await page.goto(new URL("/", view.page).href);
            await connected(page);
            pages.push(page);
        }
        const before = await first.locator(".run-card").count();
        await project.run(view, "-k", "many");
        for (const page of pages)
            await expect.poll(() => page.locator(".run-card").count(), { timeout: 20_000 }).toBe(before + 1);
        await first.close();
        await project.run(view, "-k", "many");
        for (const page of pages.slice(1))
            await expect.poll(() => page.locator(".run-card").count(), { timeout: 20_000 }).toBe(before + 2);
    });

    test("a browser without the token sees nothing, and is told the way", async () => {
        const { page } = await open(browser, new URL("/", view.page).href);
        await page.getByText("This browser may not look in yet").waitFor();
        expect(await page.locator(".run-card").count()).toBe(0);
    });
});
