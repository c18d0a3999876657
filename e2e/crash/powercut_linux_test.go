package crash

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"drydock/e2e/harness"
)

func TestNothingAcknowledgedIsLostWhenThePowerIsCut(t *testing.T) {
	harness.EndToEnd(t)
	cuts := int(number(t, "DRYDOCK_POWER_CUTS", 10))
	seed := number(t, "DRYDOCK_CRASH_SEED", uint64(time.Now().UnixNano()))
	t.Logf("DRYDOCK_CRASH_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	disk := harness.NewDisk(t, 4<<30)
	s := harness.Start(t, harness.Options{Data: filepath.Join(disk.Path, "data")})
	c, l, crew := hire(t, s, rnd)
	l.powerCut = true
	for range cuts {
		wait := work(t, crew)
		time.Sleep(time.Duration(50+rnd.IntN(700)) * time.Millisecond)
		if err := disk.CutPower(); err != nil {
			harness.Unavailable(t, "%v", err)
		}
		s.Kill()
		wait()
		if err := disk.Replug(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		l.settle(t, c)
	}
	blobs, manifests := l.verify(t, c)
	t.Logf("%d power cuts; %d pushes acknowledged, %d uploads resumed; %d blobs and %d manifests there byte for byte", cuts, l.pushes, l.resumed, blobs, manifests)
}
