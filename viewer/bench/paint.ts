// How long the one who looks waits, as the page itself sees it.
import type { Browser, Page } from "playwright-core";

/** ms from an action: until its script has run and the markup is what it will be, and until that has been painted. */
export interface Waited {
    script: number;
    painted: number;
}

/** Click an element, or type a text into it. A frame begins at once where none was drawn for a while. */
export function acted(page: Page, selector: string, text?: string): Promise<Waited> {
    return page.evaluate(
        async ([selector, text]) => {
            const element = document.querySelector<HTMLInputElement>(selector)!;
            const channel = new MessageChannel();
            const painted = new Promise((done) => (channel.port1.onmessage = done));
            // Somewhere between two frames, as fingers are, where the page draws any.
            await new Promise((done) => setTimeout(done, 100 + Math.random() * 17));
            const began = performance.now();
            if (text === undefined) element.click();
            else {
                element.value = text;
                element.dispatchEvent(new InputEvent("input", { bubbles: true }));
            }
            await null; // the page renders in a microtask of its own, which was queued before
            const script = performance.now() - began;
            requestAnimationFrame(() => channel.port2.postMessage(0));
            await painted;
            return { script, painted: performance.now() - began };
        },
        [selector, text] as const,
    );
}

/** ms from an action until the last change of the markup that comes of it has been painted: for pages that work in steps. */
export function settled(page: Page, selector: string, text?: string): Promise<number> {
    return page.evaluate(
        async ([selector, text]) => {
            const element = document.querySelector<HTMLInputElement>(selector)!;
            const calm = 500;
            let last = NaN;
            let timer: ReturnType<typeof setTimeout>;
            return new Promise<number>((done) => {
                const began = performance.now();
                const wait = () => {
                    clearTimeout(timer);
                    timer = setTimeout(() => done(last - began), calm);
                };
                new MutationObserver(() =>
                    requestAnimationFrame(() =>
                        setTimeout(() => {
                            last = performance.now();
                            wait();
                        }),
                    ),
                ).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
                if (text === undefined) element.click();
                else {
                    // The setter of the element itself: frameworks put theirs over it.
                    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")!.set!.call(element, text);
                    element.dispatchEvent(new InputEvent("input", { bubbles: true }));
                }
                // Where nothing changes: after the frame that the action may take long to come to.
                requestAnimationFrame(() => setTimeout(wait));
            });
        },
        [selector, text] as const,
    );
}

/** ms from frame to frame, by the times that the browser gives them, of a page that does nothing, or only scrolls a box with nothing in it: what the machine itself can do. */
export function frames(page: Page, scrolls: boolean): Promise<number[]> {
    return page.evaluate(async (scrolls) => {
        document.body.innerHTML = '<div style="height:620px;overflow:auto"><div style="height:240000px">';
        const box = document.body.firstElementChild!;
        const taken: number[] = [];
        for (let i = 0, last = NaN; i <= 240; i++) {
            if (scrolls) box.scrollTop = i * 240;
            const shown = await new Promise<number>((done) => requestAnimationFrame(done));
            if (i > 0) taken.push(shown - last);
            last = shown;
        }
        return taken;
    }, scrolls);
}

/** ms for which a new window is left alone: the browser loads its own parts of it, scripts too, on the same processors. */
const CALM = 1500;

export interface Opened {
    page: Page;
    first: number;
    usable: number;
    elements: number;
}

/** Open an address in a window of its own: ms until something is painted, and until what the selector names is. */
export async function opened(browser: Browser, url: string, selector: string, patience = 180_000): Promise<Opened> {
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    await page.addInitScript((selector) => {
        const tell = (usable: number) => {
            const [paint] = performance.getEntriesByName("first-contentful-paint");
            if (paint) console.log("opened", paint.startTime, usable);
            else setTimeout(tell, 50, usable);
        };
        const look = () => {
            if (!document.querySelector(selector)) return requestAnimationFrame(look);
            // This frame is painted when the next task runs.
            return setTimeout(() => tell(performance.now()));
        };
        requestAnimationFrame(look);
    }, selector);
    await page.waitForTimeout(CALM);
    // To look from outside puts 330 KB of script into the page, while it loads.
    const told = page.waitForEvent("console", { predicate: (message) => message.text().startsWith("opened ") });
    await page.goto(url, { waitUntil: "commit" });
    const [first, usable] = (await told).text().split(" ").slice(1).map(Number) as [number, number];
    return { page, first, usable, elements: await page.evaluate(() => document.querySelectorAll("*").length) };
}
