package bytesize

import (
	"math"
	"strings"
	"testing"
)

func TestAmountsAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "17": 17, "17B": 17, "1KiB": 1024, "512 MiB": 512 << 20, "10GiB": 10 << 30, "10gib": 10 << 30,
		"10G": 10 << 30, "1.5GiB": 3 << 29, "2TiB": 2 << 40, "0.5k": 512, "7PiB": 7 << 50, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "-1GiB", "1e3", "ten", "1 0", "1.2.3", "5%", "10GB", "10XiB", "0x10", "inf", "nan", "9000PiB", "9223372036854775808", "1iB"} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), "10GiB") {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
}

func TestAmountsAreWrittenInTheUnitThatFits(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 10 << 30: "10 GiB", 10<<30 - 1<<20: "10 GiB",
		9<<30 + 1<<29: "9.5 GiB", math.MaxInt64: "8192 PiB", -2048: "-2 KiB",
	} {
		if got := Format(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func FuzzWhatIsReadIsWrittenAndReadAgain(f *testing.F) {
	for _, s := range []string{"10GiB", "1.5k", "", "-3", "99999999999999999999PiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Parse(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d", s, n)
		}
		again, err := Parse(Format(n))
		if err != nil && n < math.MaxInt64/2 {
			t.Fatalf("%q: %v", Format(n), err)
		}
		if diff := math.Abs(float64(again - n)); err == nil && diff > float64(n)/100 {
			t.Errorf("%d was written as %s, which is %d", n, Format(n), again)
		}
	})
}
