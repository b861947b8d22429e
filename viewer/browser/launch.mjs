// The browser that is here, for tests and for pictures.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const BROWSERS = [
    process.env.CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
const FLAGS =
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/** Where it is; undefined where there is none. */
export const findBrowser = () => BROWSERS.find((path) => path && existsSync(path));

export const browserPath = findBrowser();

/** Why there is none; "" where there is one. */
export const noBrowser = browserPath ? "" : "no Chromium here (CHROMIUM=path says where it is)";

export const launch = () => chromium.launch({ executablePath: browserPath ?? "", args: FLAGS.split(" ") });
