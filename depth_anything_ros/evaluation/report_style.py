# SPDX-License-Identifier: Apache-2.0
"""How the report looks."""

CHART_COLOURS = ('#2f6fde', '#9aa4b2', '#c9a227', '#b5607a')

STYLE = """
:root{--ink:#1b1f27;--soft:#5c6675;--line:#e2e6ec;--paper:#fff;--back:#f4f6f9;--accent:#2f6fde}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#9aa4b2;--line:#333a45;--paper:#1d2127;--back:#14171b;
--accent:#6fa0ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1160px;padding:24px 20px 60px;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
header h1{margin:8px 0 2px;font-size:28px;letter-spacing:-.01em}
header p{margin:0 0 20px;color:var(--soft)}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:18px 22px;margin:18px 0}
h2{margin:2px 0 8px;font-size:20px}
h3{margin:20px 0 8px;font-size:15px;color:var(--soft);font-weight:600}
h4{margin:14px 0 4px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child{text-align:left}
tr:first-child th{color:var(--soft);font-weight:600;font-size:13px}
tr.ours th,tr.ours td{background:color-mix(in srgb,var(--accent) 9%,transparent)}
td.best{font-weight:700;color:var(--accent)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:6px 40px}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(330px,1fr));gap:14px}
@media (min-width:900px){.gallery.wide{grid-template-columns:1fr 1fr}}
figure{margin:0}
figure img{width:100%;display:block;border-radius:8px;border:1px solid var(--line)}
figcaption{color:var(--soft);font-size:13px;padding:4px 2px}
.note{color:var(--soft);border-left:3px solid var(--accent);padding-left:10px;margin:6px 0}
pre{background:var(--back);padding:12px 14px;border-radius:8px;white-space:pre-wrap;word-break:break-word;margin:6px 0}
details summary{cursor:pointer;color:var(--accent);margin:12px 0 4px}
svg{width:100%;height:auto}
svg text{font-size:11px;fill:var(--soft)}
svg line{stroke:var(--line)}
a{color:var(--accent)}
"""
