#!/usr/bin/env node
// The command. In a checkout it runs the sources, from a package the built files.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 20)) {
  console.error(
    `quorate needs Node 22.20 or newer, this is ${process.versions.node}\n→ install a newer Node, or run it by \`npx quorate\` in a checkout`,
  );
  process.exit(1);
}
const sources = new URL('../src/main.ts', import.meta.url);
const checkout =
  existsSync(sources) &&
  existsSync(new URL('../../../tsconfig.base.json', import.meta.url)) &&
  !fileURLToPath(import.meta.url).includes('node_modules');
if (checkout) {
  const resolve = (specifier, context, next) =>
    next(specifier, { ...context, conditions: [...context.conditions, '@quorate/source'] });
  // imported here: an old Node must come as far as the sentence above
  const { registerHooks } = await import('node:module');
  registerHooks({ resolve });
}
const { main } = await import(checkout ? sources.href : new URL('../dist/main.js', import.meta.url).href);
await main(process.argv.slice(2));
