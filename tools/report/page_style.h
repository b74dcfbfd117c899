// The style sheet of reports.
#ifndef FMSERVE_TOOLS_REPORT_PAGE_STYLE_H_
#define FMSERVE_TOOLS_REPORT_PAGE_STYLE_H_

namespace fmserve::tools {

// Classes: a and b colour lines and dots of the two models; fill-a, fill-minus and fill-soft areas;
// soft and ink are neutral.
inline constexpr char kPageStyle[] = R"css(
:root { color-scheme: light dark; --page: #f7f7f5; --card: #fff; --ink: #1d2129; --muted: #59616d;
  --rule: #d9dce1; --grid: #e9ebee; --a: #1f5fa8; --b: #b4500f; --soft: #a9b1bc; --bar: #7fa8d6;
  --minus: #dba47c; }
@media (prefers-color-scheme: dark) { :root { --page: #13161b; --card: #1b1f26; --ink: #e6e8eb;
  --muted: #9da6b2; --rule: #343b46; --grid: #2a3038; --a: #79b0ee; --b: #e59c5d; --soft: #5d6775;
  --bar: #44719f; --minus: #9c6034; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.lead, figcaption p, .note, dt { color: var(--muted); }
.lead { overflow-wrap: anywhere; }
figcaption p, .note, .legend { font-size: .875rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0; padding: 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .75rem 1rem; }
.card b { display: block; font-size: 1.6rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: .8125rem; color: var(--muted); }
.card .label { color: var(--ink); font-size: .875rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem; }
figure, .panel { margin: 0; background: var(--card); border: 1px solid var(--rule);
  border-radius: .5rem; padding: 1rem; min-width: 0; }
.panel { margin-bottom: 1rem; }
figcaption { overflow-wrap: anywhere; }
.legend span { display: inline-block; margin-right: 1rem; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right:
  .4rem;
  vertical-align: -.08rem; background: var(--ink); }
.key.a { background: var(--a); } .key.b { background: var(--b); } .key.soft { background:
  var(--soft); }
.key.fill-a { background: var(--bar); } .key.fill-soft { background: var(--soft); }
.key.dashed { height: 0; border-top: 2px dashed var(--ink); background: none; border-radius: 0;
  vertical-align: .25rem; }
.key.dot { border-radius: 50%; }
svg { display: block; width: 100%; height: auto; }
svg.spark { width: 6rem; display: inline-block; vertical-align: middle; }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--muted); }
svg .name { fill: var(--ink); } .end { text-anchor: end; } .middle { text-anchor: middle; }
.axis { stroke: var(--muted); } svg .grid { stroke: var(--grid); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.a, .whisker.a { stroke: var(--a); } .line.b, .whisker.b { stroke: var(--b); }
.line.soft, .whisker.soft { stroke: var(--soft); } .line.ink, .whisker.ink { stroke: var(--ink); }
.whisker { stroke-width: 1.5; } .line.dashed { stroke-width: 1.5; stroke-dasharray: 5 4; }
circle.a { fill: var(--a); } circle.b { fill: var(--b); } circle.soft { fill: var(--soft); }
.fill-a { fill: var(--bar); } .fill-minus { fill: var(--minus); } .fill-soft { fill: var(--soft); }
tr > :first-child { padding-left: 0; }
.half { fill-opacity: .7; }
details { margin-top: .5rem; } summary { cursor: pointer; font-size: .875rem; color: var(--muted); }
.scroll { overflow-x: auto; }
details .scroll { max-height: 26rem; overflow-y: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums;
  min-width: 60%; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--rule);
  font-weight: 400; white-space: nowrap; }
thead th { color: var(--muted); } tbody th, thead th:first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0;
  font-size: .875rem; }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
:focus-visible { outline: 2px solid var(--a); outline-offset: 2px; }
@media print { body { background: none; } figure { break-inside: avoid; } }
)css";

}  // namespace fmserve::tools

#endif  // FMSERVE_TOOLS_REPORT_PAGE_STYLE_H_
