extension UsagePageWriter {
    /// Light, dark and print; contrasts of texts are 4.5 or more, of marks 3 or more.
    static let style = """
        :root{color-scheme:light dark;--bg:#f5f5fa;--card:#fff;--ink:#1b1b35;--soft:#5b5b75;--line:#e3e3ee;--a:#2f4ad0;--old:#9a9cb3;
        --h0:#ebebf3;--h1:#c3cdf6;--h2:#8d9eec;--h3:#566ddf;--h4:#2338a8;--ok:#1a7f5a;--wa:#b45309}
        @media (prefers-color-scheme:dark){:root{--bg:#13131f;--card:#1d1d2e;--ink:#ededf7;--soft:#a9a9c4;--line:#34344c;--a:#8fa2ff;--old:#75768f;
        --h0:#2a2a3f;--h1:#34427f;--h2:#4b60bd;--h3:#7489ec;--h4:#b6c2ff;--ok:#4cc38a;--wa:#f0a04b}}
        *{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        header,main,footer{max-width:1120px;margin:0 auto;padding:0 20px}header{padding-top:36px}header p{color:var(--soft);margin:.2em 0 1.4em}
        .o{text-transform:uppercase;letter-spacing:.09em;font-size:.78rem;margin:0}h1{font-size:2.3rem;line-height:1.15;margin:0;letter-spacing:-.02em}
        h2{font-size:1.05rem;margin:0 0 14px}main{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:18px}
        section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:20px 22px;min-width:0}.w{grid-column:1/-1}.tall{grid-row:span 2}
        .k{grid-column:1/-1;display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:8px 22px}.k p{margin:0}
        .k .n{color:var(--soft);font-size:.85rem}.big{font-size:1.85rem;font-weight:650;line-height:1.25;letter-spacing:-.02em}.d{color:var(--soft);font-size:.8rem}
        figure{margin:0}svg{display:block;width:100%;height:auto;overflow:visible}.w figure{overflow-x:auto}.w svg{min-width:600px}
        .cal figure,.mo figure{direction:rtl}.cal figure>*,.mo figure>*{direction:ltr}
        .t{font-size:11px;fill:var(--soft)}.t.n,.t.v{font-size:12.5px;fill:var(--ink)}.t.v{font-weight:600}.t.bg{paint-order:stroke;stroke:var(--card);stroke-width:5px}
        .b1,.dt{fill:var(--a)}.b0{fill:var(--old)}.mk{fill:var(--ink);opacity:.72}.tr,.h0{fill:var(--h0)}.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}
        .ok{fill:var(--ok)}.wa{fill:var(--wa)}.gr{stroke:var(--line)}.ax{stroke:var(--soft)}.dt{stroke:var(--card);stroke-width:2}
        details{margin-top:12px;font-size:.85rem}summary{cursor:pointer;color:var(--soft);width:max-content}summary:focus-visible,.tb:focus-visible{outline:3px solid var(--a);outline-offset:2px}
        .tb{overflow:auto;max-height:420px;margin-top:8px}table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
        th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}th:first-child{text-align:left}thead th{color:var(--soft);font-weight:500}
        tbody th{font-weight:400}footer{padding:22px 20px 40px;color:var(--soft);font-size:.85rem}
        @media (max-width:760px){main{grid-template-columns:1fr}}
        @media print{:root{--bg:#fff;--card:#fff}body{font-size:11pt}section{break-inside:avoid}details{display:none}}
        """
}
