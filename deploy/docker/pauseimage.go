package docker

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
)

// The image of the container that holds a task's network and process namespaces has
// one program, of which these are the instructions. It ignores SIGCHLD, so that the
// kernel takes away the processes it is left as process 1, and then waits for ever:
//
//	rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8)
//	for { pause() }          // on arm64, which has no pause: ppoll(NULL, 0, NULL, NULL, 0)
var waiters = map[string]struct {
	machine uint16 // of ELF
	code    []byte
}{
	"amd64": {0x3e, []byte{
		0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax, 13
		0xbf, 0x11, 0x00, 0x00, 0x00, // mov edi, 17
		0x48, 0x8d, 0x35, 0x13, 0x00, 0x00, 0x00, // lea rsi, [action]
		0x31, 0xd2, // xor edx, edx
		0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
		0x0f, 0x05, // syscall
		0xb8, 0x22, 0x00, 0x00, 0x00, // again: mov eax, 34
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp again
	}},
	"arm64": {0xb7, []byte{
		0xc8, 0x10, 0x80, 0xd2, // mov x8, 134
		0x20, 0x02, 0x80, 0xd2, // mov x0, 17
		0x81, 0x01, 0x00, 0x10, // adr x1, action
		0x02, 0x00, 0x80, 0xd2, // mov x2, 0
		0x03, 0x01, 0x80, 0xd2, // mov x3, 8
		0x01, 0x00, 0x00, 0xd4, // svc 0
		0x00, 0x00, 0x80, 0xd2, // again: mov x0, 0
		0x01, 0x00, 0x80, 0xd2, // mov x1, 0
		0x02, 0x00, 0x80, 0xd2, // mov x2, 0
		0x03, 0x00, 0x80, 0xd2, // mov x3, 0
		0x04, 0x00, 0x80, 0xd2, // mov x4, 0
		0x28, 0x09, 0x80, 0xd2, // mov x8, 73
		0x01, 0x00, 0x00, 0xd4, // svc 0
		0xf9, 0xff, 0xff, 0x17, // b again
	}},
}

// sigIgn is the action that follows the instructions: SIG_IGN, without flags,
// restorer and mask.
var sigIgn = append([]byte{1}, make([]byte, 31)...)

// waiter is the program for an architecture as a static ELF file of one segment.
// Source: System V Application Binary Interface, "Object Files".
func waiter(arch string) ([]byte, error) {
	w, ok := waiters[arch]
	if !ok {
		return nil, fmt.Errorf("there is no image for the namespaces of tasks on %s", arch)
	}
	const header, base = 64 + 56, 0x400000
	var b bytes.Buffer
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	size := uint64(header + len(w.code) + len(sigIgn))
	for _, field := range []any{
		uint16(2), w.machine, uint32(1), uint64(base + header), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
	} {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			return nil, err
		}
	}
	b.Write(w.code)
	b.Write(sigIgn)
	return b.Bytes(), nil
}

// pauseTar is the image's file system.
func pauseTar(arch string) ([]byte, error) {
	program, err := waiter(arch)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program)), Format: tar.FormatUSTAR}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}
