package s3

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

const chunkSize = 256 << 10

type chunk = [chunkSize]byte

// buffer holds bytes in chunks that it has been lent, so that it takes no more
// memory than what it holds.
type buffer struct {
	pool   *sync.Pool
	chunks []*chunk
	size   int64
}

// write appends.
func (b *buffer) write(p []byte) {
	for len(p) > 0 {
		at := int(b.size % chunkSize)
		if at == 0 {
			b.chunks = append(b.chunks, b.pool.Get().(*chunk))
		}
		n := copy(b.chunks[len(b.chunks)-1][at:], p)
		b.size += int64(n)
		p = p[n:]
	}
}

// cut takes the first n bytes, a multiple of chunkSize, out of the buffer.
func (b *buffer) cut(n int64) *buffer {
	k := int(n / chunkSize)
	first := &buffer{pool: b.pool, chunks: b.chunks[:k:k], size: n}
	b.chunks = append([]*chunk(nil), b.chunks[k:]...)
	b.size -= n
	return first
}

// release gives everything back.
func (b *buffer) release() {
	for _, c := range b.chunks {
		b.pool.Put(c)
	}
	b.chunks, b.size = nil, 0
}

// checksum is the CRC-32 of the bytes as S3 writes it.
func (b *buffer) checksum() string {
	var crc uint32
	left := b.size
	for _, c := range b.chunks {
		n := min(left, chunkSize)
		crc = crc32.Update(crc, crc32.IEEETable, c[:n])
		left -= n
	}
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// reader reads the buffer, which must not change meanwhile.
func (b *buffer) reader() io.ReadSeeker { return &bufferReader{buffer: b} }

type bufferReader struct {
	*buffer
	at int64
}

// Read implements io.Reader.
func (r *bufferReader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	c := r.chunks[r.at/chunkSize]
	from := r.at % chunkSize
	n := copy(p, c[from:min(chunkSize, from+r.size-r.at)])
	r.at += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *bufferReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for r.at < r.size {
		from := r.at % chunkSize
		n, err := w.Write(r.chunks[r.at/chunkSize][from:min(chunkSize, from+r.size-r.at)])
		r.at += int64(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Seek implements io.Seeker.
func (r *bufferReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("the offset lies before the beginning")
	}
	r.at = offset
	return offset, nil
}
