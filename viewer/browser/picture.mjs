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

/** Two frames in which nothing waits for its data. */
async function settled(page) {
    await page.waitForFunction(async () => {
        const frame = () => new Promise(requestAnimationFrame);
        const waits = () =>
            document.querySelector("main .loading") !== null || document.querySelector("main > *") === null;
        await frame();
        await frame();
        if (waits()) return false;
        await frame();
        await frame();
        return !waits();
    });
}

try {
    await take(process.argv.slice(2));
} catch (error) {
    console.error(error.message.split("\n")[0]);
    process.exitCode = 1;
}
