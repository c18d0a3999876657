package main

import (
	"drydock/internal/config"
	"drydock/internal/diskroom"
	"drydock/storage"
)

// keptFree tells how much of the data folder's disk is to be left free; it is nil
// where the server puts neither blobs nor records there.
func keptFree(cfg config.Config) func(size int64) int64 {
	if cfg.Blobs.Bucket != "" && cfg.DB.Shared() {
		return nil
	}
	return cfg.DiskWatermark.Of
}

// roomIn tells the engine how much room there is; it is nil where the disk does not
// fill, or may fill altogether.
func roomIn(cfg config.Config) storage.Room {
	least := keptFree(cfg)
	if least == nil || cfg.DiskWatermark == (diskroom.Watermark{}) {
		return nil
	}
	return func() (int64, int64, error) {
		free, size, err := diskroom.Look(cfg.Data)
		return free, least(size), err
	}
}
