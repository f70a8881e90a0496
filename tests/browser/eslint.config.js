import js from "@eslint/js";
import { defineConfig } from "eslint/config";

const node = ["process", "fetch", "URL", "setTimeout"];
// Of the functions that run on the page.
const browser = ["window", "document", "localStorage", "location", "MutationObserver", "EventTarget", "innerWidth", "setInterval", "clearInterval"];
const globals = Object.fromEntries([...node, ...browser].map((name) => [name, "readonly"]));

export default defineConfig({ files: ["*.js"], extends: [js.configs.recommended], languageOptions: { globals } });
