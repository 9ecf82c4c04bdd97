"""Hostile SVG drawings, used as a subject image."""

from __future__ import annotations

import base64
import gzip

from picture_builders import (
    END,
    ENTITY_BOMB,
    SIGNATURE,
    SQUARE_SVG,
    NamedFiles,
    chunk,
    compressed_zeros,
    header,
)


def drawings() -> NamedFiles:
    """Drawings with scripts, links to files and addresses, bombs, loops and wrong sizes."""

    def svg(inside: str, about: str = 'viewBox="0 0 90 90"') -> bytes:
        link = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {link} {about}>{inside}</svg>'.encode()

    rect = '<rect width="50" height="50"/>'
    outside = (
        '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&e;</svg>'
    )
    tens = [rect, *(f"<use href='#g{n}'/>" * 10 for n in range(8))]
    uses = "".join(f"<g id='g{n}'>{inside}</g>" for n, inside in enumerate(tens))
    bomb = SIGNATURE + header(12_500, 12_500, 1, 0) + chunk(b"IDAT", compressed_zeros(12_500 * 1563)) + END
    embedded = base64.b64encode(bomb).decode()
    yield "svg-sound.svg", svg(rect)
    yield "svg-laughs.svg", ENTITY_BOMB.encode()
    yield "svg-outside-entity.svg", outside.encode()
    yield "svg-script.svg", svg(f"<script>while(1){{}}</script>{rect}")
    yield "svg-onload.svg", svg(rect, 'viewBox="0 0 90 90" onload="alert(1)"')
    yield "svg-page-inside.svg", svg('<foreignObject width="9" height="9"><body/></foreignObject>' + rect)
    yield "svg-file-inside.svg", svg('<image href="file:///etc/passwd" width="9" height="9"/>' + rect)
    yield "svg-address-inside.svg", svg('<image href="http://127.0.0.1:9/x.png" width="9" height="9"/>' + rect)
    yield "svg-bomb-inside.svg", svg(f'<image href="data:image/png;base64,{embedded}" width="9" height="9"/>')
    yield "svg-drawing-inside.svg", svg('<image href="data:image/svg+xml;base64,PHN2Zy8+" width="9" height="9"/>')
    yield "svg-uses.svg", svg(f"<defs>{uses}</defs><use href='#g8'/>")
    yield "svg-uses-itself.svg", svg("<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/></g>")
    yield "svg-deep.svg", svg("<g>" * 5000 + rect + "</g>" * 5000)
    yield "svg-many.svg", svg(rect * 40_000)
    yield "svg-layers.svg", svg(f"<g opacity='.9'>{rect}</g>" * 5000)
    yield (
        "svg-filter.svg",
        svg(
            "<filter id='f'><feTurbulence baseFrequency='.9' numOctaves='9999'/></filter>"
            "<rect width='90' height='90' filter='url(#f)'/>"
        ),
    )
    yield (
        "svg-blur.svg",
        svg(
            "<filter id='f'><feGaussianBlur stdDeviation='1e9'/></filter>"
            "<rect width='90' height='90' filter='url(#f)'/>"
        ),
    )
    yield "svg-pattern.svg", svg("<pattern id='p' width='1' height='1'><rect fill='url(#p)'/></pattern>" + rect)
    yield "svg-mask-itself.svg", svg("<mask id='m'><g mask='url(#m)'>" + rect + "</g></mask>" + rect)
    yield "svg-dashes.svg", svg("<path d='M0 0H1e9' stroke='red' stroke-dasharray='1e-9'/>")
    yield "svg-huge-box.svg", svg(rect, 'viewBox="0 0 1e300 1e300"')
    yield "svg-nan-box.svg", svg(rect, 'viewBox="nan nan nan nan"')
    yield "svg-inf-size.svg", svg(rect, 'width="1e999" height="1e999"')
    yield "svg-no-size.svg", svg(rect, 'width="0" height="0"')
    yield "svg-negative-size.svg", svg(rect, 'viewBox="0 0 -9 -9"')
    yield "svg-thin.svg", svg(rect, 'viewBox="0 0 1000000 0.00001"')
    yield "svg-nothing.svg", svg("")
    yield "svg-invisible.svg", svg(rect.replace("/>", " opacity='0'/>"))
    yield "svg-long-path.svg", svg(f"<path d='M0 0{'L1 1' * 300_000}'/>")
    yield "svg-huge-numbers.svg", svg("<path d='M-1e38 -1e38L1e38 1e38L1e308 0Z' stroke='red'/>" + rect)
    yield "svg-style-import.svg", svg("<style>@import url(http://127.0.0.1:9/x.css);</style>" + rect)
    yield "svg-not-closed.svg", svg(rect)[:-7]
    yield "svg-utf16.svg", SQUARE_SVG.encode("utf-16")
    yield "svg-wrong-encoding.svg", b'<?xml version="1.0" encoding="utf-99"?>' + SQUARE_SVG.encode()
    yield "svg-zero-bytes.svg", SQUARE_SVG.replace("rect", "re\0ct").encode()
    yield "svg-not-text.svg", b"\xff\xfe\xfd" + SQUARE_SVG.encode()
    yield "svg-packed.svg", gzip.compress(SQUARE_SVG.encode())
    yield "svg-empty.svg", b""
    yield "svg-other-root.svg", b"<html xmlns='http://www.w3.org/1999/xhtml'/>"
