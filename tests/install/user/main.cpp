// A program of somebody else, on the installed library: blends two adapters made by hand.
#include <crayon/adapter/blend.h>
#include <crayon/session/tasks.h>

#include <cstdio>

namespace {

crayon::Adapter adapter(float value) {
  crayon::LoraTensor tensor{"blk.0.attn_q.weight", crayon::Matrix(1, 3), crayon::Matrix(2, 1)};
  for (float& x : tensor.a.data) x = value;
  for (float& x : tensor.b.data) x = 1.0f;
  return {"tiny", {tensor}};
}

}  // namespace

int main() {
  const crayon::Adapter one = adapter(1.0f);
  const crayon::Adapter two = adapter(2.0f);
  const crayon::BlendPart parts[] = {{one, 0.5f}, {two, 0.5f}};
  const crayon::Blend blended = crayon::blend(parts, {});
  std::printf("rank %zu\n", crayon::max_rank(blended.adapter));
  return crayon::max_rank(blended.adapter) == 2 ? 0 : 1;
}
