// Package nearest finds the name that somebody probably meant.
package nearest

// Suggestion completes a refusal of a word that is not among the known ones:
// "; did you mean X?", with a prefix before X, or nothing when none is close.
func Suggestion(word string, known []string, prefix string) string {
	best := Name(word, known)
	if best == "" {
		return ""
	}
	return "; did you mean " + prefix + best + "?"
}

// Name is the known word that is closest to another one, "" when none is close.
func Name(word string, known []string) string {
	best, least := "", 1+max(2, len(word)/2)
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove or change that lead from
// one word to the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
