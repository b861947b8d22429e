// Pictures of the page: `node picture.mjs ADDRESS WIDTHxHEIGHT [FRAGMENT FILE.png]...`; one line says why there is none.
import { launch, noBrowser } from "./launch.mjs";

/** ms: a bound for what hangs. */
const PATIENCE = 20_000;

async function take([address, size, ...rest]) {
    if (noBrowser) throw new Error(noBrowser);
    const [width, height] = size.split("x").map(Number);
    const browser = await launch();
    try {
        const context = await browser.newContext({ viewport: { width, height }, colorScheme: "light" });
        const page = await context.newPage();
        page.setDefaultTimeout(PATIENCE);
        await page.goto(address);
        await page.locator(".connection.on").waitFor();
        for (let i = 0; i < rest.length; i += 2) {
            await page.evaluate((fragment) => void (location.hash = fragment), rest[i]);
            await settled(page);
            await page.screenshot({ path: rest[i + 1] });
        }
    } finally {
        await browser.close();
    }
}

/** A third of a second of frames in which nothing waits for its data: on a busy machine it may begin to do so late. */
const CALM = 20;

async function settled(page) {
    await page.waitForFunction(async (calm) => {
        for (let i = 0; i < calm; i++) {
            await new Promise(requestAnimationFrame);
            if (document.querySelector("main .loading") || !document.querySelector("main > *")) return false;
        }
        return true;
    }, CALM);
}

try {
    await take(process.argv.slice(2));
} catch (error) {
    console.error(error.message.split("\n")[0]);
    process.exitCode = 1;
}
