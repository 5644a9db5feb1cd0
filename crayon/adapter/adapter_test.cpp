#include "crayon/adapter/adapter.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "crayon/adapter/internal/sample.h"
#include "crayon/base/error.h"

namespace crayon {
namespace {

using internal::sample_tensor;
using ::testing::HasSubstr;

Adapter two_tensors() {
  return {"tiny", {sample_tensor("a", {.rank = 2}, 1), sample_tensor("b", {.rank = 3}, 2)}};
}

TEST(Adapter, MaxRankIsThatOfTheWidestTensor) {
  EXPECT_EQ(max_rank(two_tensors()), 3u);
  EXPECT_EQ(max_rank(Adapter{}), 0u);
}

TEST(Adapter, AcceptsSortedFiniteTensorsThatMatch) {
  EXPECT_NO_THROW(check_adapter(two_tensors()));
  EXPECT_NO_THROW(check_adapter(Adapter{}));
}

struct BrokenAdapter {
  std::string what;
  std::function<void(Adapter&)> breaks;
  std::string message;
};
void PrintTo(const BrokenAdapter& broken, std::ostream* out) { *out << broken.what; }

class BrokenAdapterTest : public ::testing::TestWithParam<BrokenAdapter> {};

TEST_P(BrokenAdapterTest, IsRefusedWithTensorAndReason) {
  Adapter adapter = two_tensors();
  GetParam().breaks(adapter);
  try {
    check_adapter(adapter);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().message));
  }
}

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenAdapterTest,
    ::testing::Values(
        BrokenAdapter{"unsorted", [](Adapter& a) { std::swap(a.tensors[0], a.tensors[1]); },
                      "tensor 'a' follows 'b'"},
        BrokenAdapter{"repeated", [](Adapter& a) { a.tensors[1].name = a.tensors[0].name; },
                      "tensor 'a' follows 'a'"},
        BrokenAdapter{"ranks differ", [](Adapter& a) { a.tensors[1].a = Matrix(2, 7); },
                      "'b' has A [2, 7] (14 numbers) and B [5, 3]"},
        BrokenAdapter{"rank 0",
                      [](Adapter& a) {
                        a.tensors[0].a = Matrix(0, 7);
                        a.tensors[0].b = Matrix(5, 0);
                      },
                      "r, at least 1"},
        BrokenAdapter{"numbers missing", [](Adapter& a) { a.tensors[0].a.data.pop_back(); },
                      "A [2, 7] (13 numbers)"},
        BrokenAdapter{"NaN in A", [](Adapter& a) { a.tensors[0].a.data[3] = kNaN; }, "not finite"},
        BrokenAdapter{"infinity in B", [](Adapter& a) { a.tensors[1].b.data[0] = -kInf; },
                      "not finite"},
        BrokenAdapter{"scale", [](Adapter& a) { a.tensors[1].scale = kInf; }, "not finite"}));

TEST(LayerOf, ReadsTheNumberOfABlockAndNothingElse) {
  EXPECT_EQ(layer_of("blk.7.attn_q.weight"), 7);
  EXPECT_EQ(layer_of("blk.0"), 0);
  for (const char* other : {"", "blk", "blk.", "blk..x", "blk.-0.x", "blk.7a.x",
                            "blk.99999999999.x", "output.weight", "xblk.7.x"}) {
    EXPECT_EQ(layer_of(other), std::nullopt) << other;
  }
}

TEST(Adapter, ItsLowestLayerIsThatOfAllItsTensors) {
  Adapter adapter;
  EXPECT_EQ(lowest_layer(adapter), std::numeric_limits<int>::max());
  for (const char* name : {"blk.12.attn_q.weight", "blk.7.ffn_up.weight", "blk.9.attn_k.weight"}) {
    adapter.tensors.push_back({.name = name, .a = {}, .b = {}});
  }
  EXPECT_EQ(lowest_layer(adapter), 7);
  adapter.tensors.push_back({.name = "token_embd.weight", .a = {}, .b = {}});
  EXPECT_EQ(lowest_layer(adapter), -1);
}

}  // namespace
}  // namespace crayon
