/**
 * The only stylesheet of splat's pages. The policy of a page allows this stylesheet by its digest, so that no other style is used.
 */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1b1f24; --faint: #59636e; --line: #d8dee4; --shade: #f6f8fa;
  --clean: #116329; --splat: #b3261e; --doubtful: #8a4b00; --marked: #fdeceb; --warned: #fdf3e1; --sought: #fff3b0; --edge: #0006;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e6e9ed; --faint: #98a2ad; --line: #333a42; --shade: #1c2127;
    --clean: #4cc26a; --splat: #ff7b72; --doubtful: #e0a030; --marked: #33201f; --warned: #2d2514; --sought: #4a4213; --edge: #fff6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 75rem; padding: 1.5rem 1.25rem 4rem;
  background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
}
h1 { margin: 0 0 .25rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.15rem; }
h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
a { color: inherit; }
code, pre, td.number, .id { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .87em; }
code { overflow-wrap: anywhere; }
pre {
  margin: .5rem 0; padding: .75rem; overflow: auto; max-height: 34rem;
  background: var(--shade); border: 1px solid var(--line); border-radius: 4px; line-height: 1.4;
}
dl { display: grid; grid-template-columns: minmax(5.75rem, max-content) 1fr; gap: .15rem 1rem; margin: 1rem 0 0; }
dt { color: var(--faint); }
dl + dl, dl + p { margin-top: 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
/* A table that goes on beyond the edge has a shadow there; the shadows stay, and the paper over them scrolls with the table. */
.wide {
  overflow-x: auto;
  background:
    linear-gradient(to right, var(--paper) 40%, transparent) left / 2.5rem 100% no-repeat local,
    linear-gradient(to left, var(--paper) 40%, transparent) right / 2.5rem 100% no-repeat local,
    linear-gradient(to right, var(--edge), transparent) left / 1rem 100% no-repeat scroll,
    linear-gradient(to left, var(--edge), transparent) right / 1rem 100% no-repeat scroll;
}
.flag { white-space: nowrap; }
.wide > table { width: 100%; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: 600; }
tbody th { color: inherit; font-weight: 400; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.number > .none { color: var(--faint); }
td > p:first-child { margin-top: 0; }
td.verdict, td.word, th.id, .time { white-space: nowrap; }
.clean { color: var(--clean); } .splat { color: var(--splat); } .doubtful { color: var(--doubtful); }
.faint { color: var(--faint); }
.verdict { font-weight: 600; }
.matrix td { padding-left: .5rem; } .matrix td.splat { background: var(--marked); } .matrix td.doubtful { background: var(--warned); }
header { padding: 1rem 1.25rem; border: 1px solid var(--line); border-left: .5rem solid currentColor; border-radius: 4px; }
header.plain { border-left: 1px solid var(--line); }
header > * { color: var(--ink); }
header ul { margin: .5rem 0 0; padding-left: 1.25rem; }
header > h1 > span:not(.time) { color: var(--verdict); }
header.clean { --verdict: var(--clean); } header.splat { --verdict: var(--splat); } header.doubtful { --verdict: var(--doubtful); }
:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
nav { margin: .75rem 0; }
pre.console { max-height: none; overflow: visible; padding-left: 0; padding-right: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.console > span { display: block; position: relative; padding: 0 .5rem 0 8ch; scroll-margin-top: 4rem; }
pre.console a { position: absolute; left: 0; width: 7ch; text-align: right; text-decoration: none; color: var(--faint); user-select: none; }
pre.console > .marked { background: var(--marked); }
pre.console > span:target { background: var(--sought); }
article { margin: 1rem 0; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 4px; }
details { border-bottom: 1px solid var(--line); }
details > :not(summary) { margin-left: 1.1rem; }
details > p:target { background: var(--shade); scroll-margin-top: 4rem; }
summary { padding: .4rem 0; cursor: pointer; }
figure { margin: 0; width: 16rem; max-width: 100%; }
figcaption { color: var(--faint); font-size: .87em; }
svg { display: block; width: 100%; border: 1px solid var(--line); border-radius: 4px; }
svg path { fill: none; stroke: currentColor; stroke-width: 1.5; }
svg path.axis { stroke: var(--line); }
svg circle { fill: currentColor; }
.strip { font-family: ui-monospace, "DejaVu Sans Mono", monospace; letter-spacing: .1em; overflow-wrap: anywhere; }
tr:target { background: var(--sought); }
th button { padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: inherit; text-decoration: underline dotted; cursor: pointer; }
th[aria-sort="ascending"] button::after { content: " ↑"; } th[aria-sort="descending"] button::after { content: " ↓"; }
.filter input { padding: .2rem .4rem; border: 1px solid var(--faint); border-radius: 4px; background: var(--paper); color: var(--ink); font: inherit; }
.columns { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem 3rem; margin-bottom: 1rem; }
.columns > figure { align-self: flex-end; }
header + main > .columns { margin-top: 1rem; }
meter { width: 8rem; vertical-align: middle; }
img { max-width: 100%; height: auto; border: 1px solid var(--line); background: #fff; }
footer { margin-top: 3rem; color: var(--faint); font-size: .87em; }
@media (max-width: 40rem) {
  body { padding: .75rem .75rem 3rem; }
  header { padding: .75rem; }
  dl { display: block; }
  dd { margin-bottom: .35rem; }
  article { padding: .5rem .6rem; }
  details > :not(summary) { margin-left: .3rem; }
  th, td { padding-right: .5rem; }
  .columns { display: block; }
  .columns > table, .columns > figure { margin-bottom: 1rem; }
  .columns th, .columns td { white-space: normal; overflow-wrap: anywhere; }
  meter { width: 4rem; }
}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; }
  .filter, nav { display: none; }
  .wide { overflow: visible; background: none; }
  pre { max-height: none; white-space: pre-wrap; overflow-wrap: anywhere; }
  details::details-content { display: block; content-visibility: visible; }
  h2, h3, summary, thead { break-after: avoid; }
  tr, figure, dd, p, li { break-inside: avoid; }
  th, td { padding-right: .4rem; overflow-wrap: break-word; }
  td .strip { font-size: .75em; letter-spacing: 0; }
}
`;
