"""Pictures as cameras and attackers make them."""
import os
import struct
import subprocess
import tempfile
import zlib

MARK = b"SECRET-MARKER-7391"


def tool(source, suffix, options=""):
    """What libvips makes of a portable pixmap."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.ppm")
        with open(path, "wb") as file:
            file.write(source)
        target = os.path.join(folder, "out" + suffix)
        subprocess.run(["vips", "copy", path, target + options], check=True, stdout=subprocess.DEVNULL)
        with open(target, "rb") as file:
            return file.read()


def pixmap(width, height):
    """Left half red, right half blue, so that turning shows."""
    row = b"\xd0\x10\x10" * (width // 2) + b"\x10\x10\xd0" * (width - width // 2)
    return b"P6\n%d %d\n255\n" % (width, height) + row * height


def tiff(orientation, latitude, longitude, tags=0):
    """EXIF with orientation, position, moment and a maker's note."""
    def rationals(value):
        seconds = round(value * 3600 * 100)
        return struct.pack("<6I", seconds // 360000, 1, seconds // 6000 % 60, 1, seconds % 6000, 100)

    base = 8 + 2 + 12 * (3 + tags) + 4
    exif_at, gps_at = base, base + 2 + 24 + 4
    values_at = gps_at + 2 + 48 + 4
    note = MARK + b" maker"
    root = struct.pack("<H", 3 + tags) + struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0)
    root += struct.pack("<HHII", 0x8769, 4, 1, exif_at) + struct.pack("<HHII", 0x8825, 4, 1, gps_at)
    root += b"".join(struct.pack("<HHII", 0x9C00 + index % 200, 4, 1, index) for index in range(tags)) + bytes(4)
    exif = struct.pack("<H", 2) + struct.pack("<HHII", 0x9003, 2, 20, values_at)
    exif += struct.pack("<HHII", 0x927C, 7, len(note), values_at + 20 + 48) + bytes(4)
    gps = struct.pack("<H", 4) + struct.pack("<HHI4s", 1, 2, 2, b"N\0") + struct.pack("<HHII", 2, 5, 3, values_at + 20)
    gps += struct.pack("<HHI4s", 3, 2, 2, b"E\0") + struct.pack("<HHII", 4, 5, 3, values_at + 44) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + root + exif + gps + b"2026:03:01 10:20:30\0" + rationals(latitude) + rationals(longitude) + note


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'rdf:about="" exif:GPSLatitude="43,36.6N" exif:GPSLongitude="3,12.6E" exif:DateTimeOriginal="2026-03-01T10:20:30" '
    b'tiff:Orientation="6" dc:creator="' + MARK + b'"/></rdf:RDF></x:xmpmeta>')


def noise(width, height):
    """A JPEG that hardly shrinks."""
    return tool(b"P6\n%d %d\n255\n" % (width, height) + os.urandom(width * height * 3), ".jpg", "[Q=85]")


def every_kind():
    """(name, file, orientation): what each kind may say of itself in EXIF and in XMP; each knows 43.61 north, 3.21 east."""
    jpeg, png, webp = (tool(pixmap(640, 480), suffix, "[strip]") for suffix in (".jpg", ".png", ".webp"))
    exif = tiff(6, 43.61, 3.21)
    yield "JPEG with EXIF", jpeg[:2] + segment(0xE1, b"Exif\0\0" + exif) + jpeg[2:], 6
    yield "JPEG with XMP", jpeg[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP) + jpeg[2:], 6
    yield "PNG with EXIF", png[:33] + png_chunk(b"eXIf", exif) + png[33:], 6
    yield "PNG with XMP", png[:33] + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + png[33:], 6
    yield "WebP with EXIF", extended_webp(webp, 640, 480, b"EXIF", exif, 0x08), 6
    yield "WebP with XMP", extended_webp(webp, 640, 480, b"XMP ", XMP, 0x04), 6
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in.jpg"), os.path.join(folder, "out.heic")
        # libheif keeps both, and turns no pixel.
        for name, content in (("EXIF", segment(0xE1, b"Exif\0\0" + exif)), ("XMP", segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP))):
            with open(source, "wb") as file:
                file.write(jpeg[:2] + content + jpeg[2:])
            subprocess.run(["vips", "copy", source, target + "[compression=hevc]"], check=True, stdout=subprocess.DEVNULL)
            with open(target, "rb") as file:
                content = file.read()
            assert content[4:12] == b"ftypheic", content[:16]
            # libvips adds an EXIF block of its own, upright, where there is none.
            yield "HEIC with " + name, content, 6 if name == "EXIF" else 1


def extended_webp(plain, width, height, kind, body, flag):
    """A file in the extended format, which has room for metadata behind the picture."""
    def chunk(name, content):
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    head = chunk(b"VP8X", bytes([flag, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3])
    # Of libvips' own file only the picture: it writes an EXIF block whatever is asked.
    at = plain.index(b"VP8 ", 12)
    picture = plain[at:at + 8 + struct.unpack("<I", plain[at + 4:at + 8])[0]]
    content = b"WEBP" + head + picture + b"\0" * (len(picture) % 2) + chunk(kind, body)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def photo(width=640, height=480, orientation=6, latitude=43.61, longitude=3.21, tags=0):
    """A camera's JPEG: EXIF, XMP, IPTC, a comment and bytes behind the picture, each with the mark in it."""
    plain = tool(pixmap(width, height), ".jpg", "[Q=90]")
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description exif:GPSLatitude=\"43,36.6N\" dc:creator=\"" + MARK + b"\"/></x:xmpmeta>"
    iptc = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", 24) + b"\x1c\x02\x50\0\x12" + MARK
    extra = segment(0xE1, b"Exif\0\0" + tiff(orientation, latitude, longitude, tags)) + segment(0xE1, xmp) + segment(0xED, iptc)
    return plain[:2] + extra + segment(0xFE, MARK) + plain[2:] + MARK + b"<script>alert(1)</script>"


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side):
    """A small PNG of side × side pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\0" * (side // 8 + 1)) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def polyglot():
    """A PNG that is a page of HTML too."""
    plain = tool(pixmap(64, 48), ".png")
    return plain[:33] + png_chunk(b"tEXt", b"Comment\0<html><script>" + MARK) + plain[33:] + b"<html>" + MARK


def flat(side):
    """A JPEG of side × side pixels in one colour."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "flat.jpg")
        subprocess.run(["vips", "black", path + "[Q=50]", str(side), str(side)], check=True, stdout=subprocess.DEVNULL)
        with open(path, "rb") as file:
            return file.read()


def xmp_photo():
    """A JPEG whose place stands in XMP alone."""
    plain = tool(pixmap(320, 240), ".jpg", "[Q=90]")
    packet = (b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF><rdf:Description>"
              b"<exif:GPSLatitude>43,36.6N</exif:GPSLatitude><exif:GPSLongitude>3,12.6E</exif:GPSLongitude><dc:creator>" + MARK
              + b"</dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>")
    return plain[:2] + segment(0xE1, packet) + plain[2:]


def tagged_png(tags, latitude=43.61, longitude=3.21):
    """A PNG with EXIF of so many tags behind its picture."""
    plain = tool(pixmap(64, 48), ".png")
    end = plain.index(b"IEND") - 4
    return plain[:end] + png_chunk(b"eXIf", tiff(1, latitude, longitude, tags)) + plain[end:]


def text_bomb(size):
    """A PNG with a compressed comment that unpacks to so many bytes."""
    plain = tool(pixmap(64, 48), ".png")
    return plain[:33] + png_chunk(b"zTXt", b"Comment\0\0" + squeezed(size)) + plain[33:]


def profile_bomb(size):
    """A PNG with a colour profile that unpacks to so many bytes."""
    plain = tool(pixmap(64, 48), ".png")
    return plain[:33] + png_chunk(b"iCCP", b"profile\0\0" + squeezed(size)) + plain[33:]


def squeezed(size):
    packer = zlib.compressobj(9)
    block = bytes(1_000_000)
    return b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()


def animated_png():
    """Two frames."""
    plain = tool(pixmap(64, 48), ".png")
    at = plain.index(b"IDAT") - 4
    length = struct.unpack(">I", plain[at:at + 4])[0]
    data = plain[at + 8:at + 8 + length]

    def frame(number):
        return png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 64, 48, 0, 0, 1, 10, 0, 0))

    return (plain[:33] + png_chunk(b"acTL", struct.pack(">II", 2, 0)) + frame(0) + plain[33:at + 12 + length] + frame(1)
            + png_chunk(b"fdAT", struct.pack(">I", 2) + data) + plain[at + 12 + length:])


def animated_webp():
    """Two frames, and EXIF with the mark behind them."""
    still = tool(pixmap(64, 48), ".webp")
    picture = still[12:]
    if picture[:4] == b"VP8X":
        picture = picture[18:]

    def chunk(kind, body):
        return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    def three(number):
        return struct.pack("<I", number)[:3]

    frame = chunk(b"ANMF", three(0) + three(0) + three(63) + three(47) + three(100) + b"\0" + picture)
    body = b"WEBP" + chunk(b"VP8X", b"\x0a\0\0\0" + three(63) + three(47)) + chunk(b"ANIM", bytes(6)) + frame * 2
    body += chunk(b"EXIF", tiff(1, 43.61, 3.21))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lying_segments():
    """A JPEG whose metadata say that they are longer than the file."""
    plain = tool(pixmap(64, 48), ".jpg", "[Q=90]")
    return plain[:2] + b"\xff\xe1\xff\xffExif\0\0II*\0\x08\0\0\0\xff\xff" + plain[2:]


def size(jpeg):
    """Width and height, from the frame header."""
    at = 2
    while True:
        marker, length = jpeg[at + 1], struct.unpack(">H", jpeg[at + 2:at + 4])[0]
        if 0xC0 <= marker <= 0xC3:
            height, width = struct.unpack(">HH", jpeg[at + 5:at + 9])
            return width, height
        at += 2 + length


def segments(jpeg):
    """Markers before the picture's data."""
    at, found = 2, []
    while jpeg[at + 1] != 0xDA:
        found.append(jpeg[at + 1])
        at += 2 + struct.unpack(">H", jpeg[at + 2:at + 4])[0]
    return found


def row(jpeg, at):
    """One line of the picture, as (red, green, blue)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.jpg")
        with open(path, "wb") as file:
            file.write(jpeg)
        subprocess.run(["vips", "copy", path, path + ".ppm"], check=True, stdout=subprocess.DEVNULL)
        with open(path + ".ppm", "rb") as file:
            content = file.read()
    width, height = size(jpeg)
    line = content[-width * height * 3:][at * width * 3:(at + 1) * width * 3]
    return [tuple(line[index:index + 3]) for index in range(0, len(line), 3)]
