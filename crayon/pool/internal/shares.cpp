#include "crayon/pool/internal/shares.h"

#include <algorithm>

namespace crayon {
namespace {

float default_share(const Gate& gate) {
  return static_cast<float>(1 / static_cast<double>(gate.size()));
}

}  // namespace

std::vector<float> even_shares(const Gate& gate) {
  if (!gate.even.empty() || gate.size() == 0) return gate.even;
  std::vector<float> shares(gate.size());
  std::ranges::fill(shares, default_share(gate));
  return shares;
}

void drop_default_shares(Gate& gate) {
  if (gate.even.empty()) return;
  const float share = default_share(gate);
  if (std::ranges::all_of(gate.even, [&](float p) { return p == share; })) gate.even.clear();
}

Matrix stacked(const Matrix& a, const Matrix& b) {
  if (a.rows == 0) return b.rows == 0 ? a : b;
  Matrix result = a;
  result.rows += b.rows;
  result.data.insert(result.data.end(), b.data.begin(), b.data.end());
  return result;
}

}  // namespace crayon
