package diskroom

import (
	"strings"
	"testing"
)

func TestAWatermarkIsASizeOrAPartOfTheDiskOrTheSmallerOfBoth(t *testing.T) {
	const gib = 1 << 30
	for text, want := range map[string]struct {
		of100, of10 int64
		shown       string
	}{
		"0":         {0, 0, "0"},
		"1GiB":      {gib, gib, "1GiB"},
		"5%":        {5 * gib, gib / 2, "5%"},
		"2%,1GiB":   {gib, gib / 5, "2%,1GiB"},
		"1GiB, 2%":  {gib, gib / 5, "2%,1GiB"},
		"0.5%":      {gib / 2, gib / 20, "0.5%"},
		"50% ,2TiB": {50 * gib, 5 * gib, "50%,2TiB"},
	} {
		w, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := w.Of(100 * gib); max(got-want.of100, want.of100-got) > 1 {
			t.Errorf("%q leaves %d of 100 GiB, want %d", text, got, want.of100)
		}
		if got := w.Of(10 * gib); max(got-want.of10, want.of10-got) > 1 {
			t.Errorf("%q leaves %d of 10 GiB, want %d", text, got, want.of10)
		}
		if w.String() != want.shown {
			t.Errorf("%q is shown as %q, want %q", text, w, want.shown)
		}
	}
	for _, text := range []string{"", "%", "-5%", "0%", "100%", "nan%", "5%,6%", "1GiB,2GiB", "1GiB,", "much", "0,0"} {
		if w, err := Parse(text); err == nil || !strings.Contains(err.Error(), "5%,10GiB") {
			t.Errorf("%q is %v, %v", text, w, err)
		}
	}
}

func TestADiskTellsItsRoom(t *testing.T) {
	free, size, err := Look(t.TempDir())
	if err != nil || free < 0 || size <= 0 || free > size {
		t.Errorf("%d of %d, %v", free, size, err)
	}
	if _, _, err := Look("/nowhere/at/all"); err == nil || !strings.Contains(err.Error(), "/nowhere/at/all") {
		t.Errorf("nowhere: %v", err)
	}
}
