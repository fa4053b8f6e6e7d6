import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.js";

const asked = new URLSearchParams(location.search);
const root = createRoot(document.querySelector("main")!);
root.render(<StrictMode><App server={asked.get("server")!} event={asked.get("event")!} /></StrictMode>);
