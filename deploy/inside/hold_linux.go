package inside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// device and label: the address is found again under its label by a server that comes
// after one that was killed.
const (
	device = "lo"
	label  = "lo:drydock"
)

// hold puts an IPv4 address on the loopback device, unless it is there. ours tells
// that a drydock has put it there, now or before: then it may be taken away; added,
// that it was not there before. Errors: os.ErrPermission, wrapped.
func hold(a netip.Addr) (ours, added bool, err error) {
	lo, err := net.InterfaceByName(device)
	if err != nil {
		return false, false, fmt.Errorf("find the loopback device: %w", err)
	}
	ours, there, err := find(lo, a)
	if err != nil || there {
		return ours, false, err
	}
	err = ask(syscall.RTM_NEWADDR, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL, lo, a)
	if errors.Is(err, syscall.EEXIST) {
		return false, false, nil // somebody else was faster
	}
	if err != nil {
		return false, false, fmt.Errorf("put the address on the loopback device: %w", err)
	}
	return true, true, nil
}

// letGo takes the address from the loopback device. It need not be there.
func letGo(a netip.Addr) error {
	lo, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("find the loopback device: %w", err)
	}
	if err := ask(syscall.RTM_DELADDR, 0, lo, a); err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("take the address from the loopback device: %w", err)
	}
	return nil
}

// find looks for an address on a device, and whether it has the label.
func find(lo *net.Interface, a netip.Addr) (ours, there bool, err error) {
	table, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_INET)
	if err != nil {
		return false, false, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return false, false, fmt.Errorf("read the addresses of this machine: %w", err)
	}
	for _, m := range messages {
		// struct ifaddrmsg of linux/if_addr.h: four bytes, then the device's index.
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg || binary.NativeEndian.Uint32(m.Data[4:]) != uint32(lo.Index) {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return false, false, fmt.Errorf("read the addresses of this machine: %w", err)
		}
		found, labelled := false, false
		for _, at := range attributes {
			switch at.Attr.Type {
			case syscall.IFA_LOCAL:
				v, ok := netip.AddrFromSlice(at.Value)
				found = ok && v == a
			case syscall.IFA_LABEL:
				labelled = string(at.Value) == label+"\x00"
			}
		}
		if found {
			return labelled, true, nil
		}
	}
	return false, false, nil
}

// ask has the kernel add or delete the address (rtnetlink(7)) and waits for its
// answer. It is of the scope of the host, so that it is never the source of what goes
// out.
func ask(kind, flags uint16, lo *net.Interface, a netip.Addr) error {
	const wholeAddress, scopeHost = 32, 254
	body := []byte{syscall.AF_INET, wholeAddress, 0, scopeHost}
	body = binary.NativeEndian.AppendUint32(body, uint32(lo.Index))
	for _, at := range []struct {
		kind  uint16
		value []byte
	}{{syscall.IFA_LOCAL, a.AsSlice()}, {syscall.IFA_ADDRESS, a.AsSlice()}, {syscall.IFA_LABEL, []byte(label + "\x00")}} {
		body = binary.NativeEndian.AppendUint16(body, uint16(4+len(at.value)))
		body = binary.NativeEndian.AppendUint16(body, at.kind)
		body = append(body, at.value...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	const headerSize, sequence = 16, 1
	message := binary.NativeEndian.AppendUint32(nil, uint32(headerSize+len(body)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, flags|syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	message = binary.NativeEndian.AppendUint32(message, sequence)
	message = binary.NativeEndian.AppendUint32(message, 0)
	message = append(message, body...)

	s, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer syscall.Close(s)
	if err := syscall.Sendto(s, message, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, syscall.Getpagesize())
	n, _, err := syscall.Recvfrom(s, answer, 0)
	if err != nil {
		return err
	}
	all, err := syscall.ParseNetlinkMessage(answer[:n])
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4 {
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return syscall.Errno(-code)
			}
			return nil
		}
	}
	return errors.New("the kernel gave no answer")
}
