// A Chromium for tests, pictures and figures: says which, installs Debian's where there is none, or says what to do.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { browserPath, findBrowser, noBrowser } from "./launch.mjs";

/** Ubuntu's package of this name is a snap, for which a container has no service. */
const isDebian = () => /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));

function install() {
    const command = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"];
    if (process.platform !== "linux" || !isDebian()) throw new Error(noBrowser);
    if (process.getuid() !== 0) throw new Error(`${noBrowser}; only root can install it: ${command.join(" ")}`);
    const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    execFileSync(command[0], command.slice(1), { env: environment, stdio: ["ignore", "ignore", "inherit"] });
    if (!findBrowser()) throw new Error(noBrowser);
    return findBrowser();
}

try {
    console.log(`browser: ${browserPath ?? install()}`);
} catch (error) {
    console.error(`browser: ${error.message}`);
    process.exitCode = 1;
}
