package placement

// column has the values that one attribute, or the task group, has anywhere in a
// fleet, by number.
// Comparing an attribute of thousands of instances is then comparing numbers,
// and a pattern is tried once for each value, not for each instance.
//
// Number 0 stands for an instance that has no such attribute.
type column struct {
	values []value
	byText map[string]int32
	free   []int32
}

type value struct {
	text string
	// uses counts those that have it; at 0 the number is free again,
	// so that instances that come and go leave nothing behind.
	uses int
}

const absent int32 = 0

func newColumn() *column {
	return &column{values: make([]value, 1), byText: map[string]int32{}}
}

// take is the number of a value, which has one user more.
func (c *column) take(text string) int32 {
	n, ok := c.byText[text]
	if !ok {
		if last := len(c.free) - 1; last >= 0 {
			n, c.free = c.free[last], c.free[:last]
		} else {
			n = int32(len(c.values))
			c.values = append(c.values, value{})
		}
		c.byText[text] = n
		c.values[n].text = text
	}
	c.values[n].uses++
	return n
}

// release takes back what take gave.
func (c *column) release(n int32) {
	if n == absent {
		return
	}
	v := &c.values[n]
	if v.uses--; v.uses == 0 {
		delete(c.byText, v.text)
		v.text = ""
		c.free = append(c.free, n)
	}
}
