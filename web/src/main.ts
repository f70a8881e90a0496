/** Begins. */
import { Page } from "./page.js";
import "./style/base.css";
import "./style/layout.css";
import "./style/stage.css";
import "./style/talk.css";
import "./style/dialogs.css";

const root = document.querySelector<HTMLElement>("#app");
if (root) new Page(root);
