// The page's build: one script, one style sheet, one icon, in ../static.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    // Whatever is inlined into the page would need a hole in its content security policy.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  server: {
    proxy: {
      "/ws": { target: "http://127.0.0.1:7871", ws: true },
      "/v1": "http://127.0.0.1:7871",
      "/admin": "http://127.0.0.1:7871",
    },
  },
});
