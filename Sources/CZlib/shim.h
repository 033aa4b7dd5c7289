#ifndef BUS311_CZLIB_H
#define BUS311_CZLIB_H
#include <zlib.h>

/* deflateInit2 is a macro, which Swift cannot see. Compresses `size` bytes into a gzip member; 0 when `room` is too small or
   there is no memory, otherwise the member's length. */
static inline size_t czlib_gzip(const unsigned char *source, size_t size, unsigned char *target, size_t room) {
    z_stream stream = {0};
    if (size > 0xFFFFFFFFu || room > 0xFFFFFFFFu) return 0;
    if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
    stream.next_in = (unsigned char *)source;
    stream.avail_in = (uInt)size;
    stream.next_out = target;
    stream.avail_out = (uInt)room;
    int outcome = deflate(&stream, Z_FINISH);
    size_t length = room - stream.avail_out;
    deflateEnd(&stream);
    return outcome == Z_STREAM_END ? length : 0;
}
#endif
