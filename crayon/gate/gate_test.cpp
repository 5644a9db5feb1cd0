#include "crayon/gate/gate.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>

#include "crayon/gate/internal/sample.h"

namespace crayon {
namespace {

using internal::cluster;
using internal::random_unit_rows;
using ::testing::Each;
using ::testing::FloatNear;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Four keys in eight dimensions; prompts of the pool's training around the first axis.
Gate sample_gate() {
  Rng rng(1);
  Gate gate;
  gate.whitening.mean.assign(12, 0.0f);
  gate.whitening.projection = Matrix(8, 12);
  gate.keys = random_unit_rows(4, 8, rng);
  gate.reference = cluster(200, gate.keys.row(0), 0.3, rng);
  return gate;
}

double sum_of(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double{v};
  return sum;
}

TEST(GateWeights, AreTheSoftmaxOfTheCosinesOverTheTemperature) {
  Gate gate = sample_gate();
  gate.temperature = 0.5f;
  Rng rng(2);
  const Matrix z = random_unit_rows(1, 8, rng);

  const auto got = gate_weights(gate, z.row(0));

  std::vector<float> want;
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i)
    sum += std::exp(internal::dot(gate.keys.row(i), z.row(0)) / 0.5);
  for (std::size_t i = 0; i < 4; ++i) {
    want.push_back(
        static_cast<float>(std::exp(internal::dot(gate.keys.row(i), z.row(0)) / 0.5) / sum));
  }
  EXPECT_THAT(got, Pointwise(FloatNear(1e-6f), want));
}

TEST(GateWeights, StayFiniteAtATinyTemperature) {
  Gate gate = sample_gate();
  gate.temperature = 1e-30f;
  const auto got = gate_weights(gate, gate.keys.row(2));
  EXPECT_FLOAT_EQ(got[2], 1.0f);
  EXPECT_NEAR(sum_of(got), 1.0, 1e-6);
}

TEST(GateWeights, AreEvenForAnEmbeddingOfZeros) {
  EXPECT_THAT(gate_weights(sample_gate(), std::vector<float>(8)), Each(FloatNear(0.25f, 1e-7f)));
}

TEST(TaskWeights, TiltTheEvenBlendTowardsTheMeanGate) {
  const Gate gate = sample_gate();
  Rng rng(3);
  const Matrix z = cluster(16, gate.keys.row(0), 0.3, rng);

  const TaskWeights got = task_weights(gate, z);

  EXPECT_NEAR(got.tilt, 0.5 * got.familiarity, 1e-7);
  std::vector<float> mean(4);
  for (std::size_t k = 0; k < 16; ++k) {
    const auto g = gate_weights(gate, z.row(k));
    for (std::size_t i = 0; i < 4; ++i) mean[i] += g[i] / 16;
  }
  EXPECT_THAT(got.gate_mean, Pointwise(FloatNear(1e-6f), mean));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(got.weights[i], (1 - got.tilt) / 4 + got.tilt * double{mean[i]}, 1e-6);
  }
  EXPECT_NEAR(sum_of(got.weights), 1.0, 1e-6);
  EXPECT_THAT(got.weights, Each(Ge(0.0f)));
}

TEST(TaskWeights, ATaskLikeThePoolsIsFamiliarAndAFarOneGetsTheEvenBlend) {
  const Gate gate = sample_gate();
  Rng rng(4);
  std::vector<float> far(gate.keys.row(0).begin(), gate.keys.row(0).end());
  for (float& x : far) x = -x;

  const TaskWeights near = task_weights(gate, cluster(32, gate.keys.row(0), 0.3, rng));
  const TaskWeights other = task_weights(gate, cluster(32, far, 0.3, rng));

  EXPECT_GT(near.familiarity, 0.5);  // below 1: the nearest of one kind are those of its middle
  EXPECT_EQ(other.familiarity, 0);   // all that is nearest to it lies closer together
  EXPECT_THAT(other.weights, Each(FloatNear(0.25f, 1e-6f)));
}

TEST(TaskWeights, AKindThatLiesLooselyBesideADenseOneIsFamiliarToo) {
  Gate gate = sample_gate();
  Rng rng(7);
  const Matrix dense = cluster(150, gate.keys.row(0), 0.05, rng);
  const Matrix loose = cluster(50, gate.keys.row(1), 0.4, rng);
  gate.reference = Matrix(200, 8);
  for (std::size_t i = 0; i < 200; ++i) {
    std::ranges::copy(i < 150 ? dense.row(i) : loose.row(i - 150), gate.reference.row(i).begin());
  }
  EXPECT_GT(task_weights(gate, cluster(32, gate.keys.row(1), 0.4, rng)).familiarity, 0.6);
  // As similar to the dense kind as the loose ones are to each other is not as similar as its own.
  EXPECT_LT(task_weights(gate, cluster(32, gate.keys.row(0), 0.4, rng)).familiarity, 0.3);
}

TEST(TaskWeights, AreTheMeanGateWithoutModulation) {
  Gate gate = sample_gate();
  gate.modulated = false;
  gate.max_tilt = 1;
  Rng rng(5);
  const TaskWeights got = task_weights(gate, random_unit_rows(8, 8, rng));
  ASSERT_EQ(got.weights.size(), got.gate_mean.size());
  for (std::size_t i = 0; i < got.weights.size(); ++i) {
    EXPECT_EQ(got.weights[i], got.gate_mean[i] < 0.002f ? 0.0f : got.gate_mean[i]);
  }
  EXPECT_EQ(got.tilt, 1.0);
}

TEST(TaskWeights, NegligibleOnesAreNone) {
  Gate gate = sample_gate();
  gate.modulated = false;
  gate.max_tilt = 1;
  Matrix z(1, 8);
  std::ranges::copy(gate.keys.row(2), z.row(0).begin());
  const TaskWeights got = task_weights(gate, z);
  EXPECT_GT(got.gate_mean[0], 0.0f);
  EXPECT_EQ(std::ranges::count(got.weights, 0.0f), 3);
  EXPECT_GT(got.weights[2], 0.99f);
}

TEST(TaskWeights, WithoutReferencePromptsTheTiltIsTheLargest) {
  Gate gate = sample_gate();
  gate.reference = {};
  Rng rng(6);
  const TaskWeights got = task_weights(gate, random_unit_rows(8, 8, rng));
  EXPECT_EQ(got.familiarity, 1.0);
  EXPECT_EQ(got.tilt, double{gate.max_tilt});
}

TEST(Pooling, NamesGoBothWaysAndOthersAreRefused) {
  EXPECT_EQ(to_string(parse_pooling("mean")), "mean");
  EXPECT_EQ(to_string(parse_pooling("last")), "last");
  EXPECT_THROW((void)parse_pooling("max"), Error);
}

TEST(CheckGate, AcceptsAGoodGate) {
  EXPECT_NO_THROW(check_gate(sample_gate()));
  Gate gate = sample_gate();
  gate.reference = {};
  EXPECT_NO_THROW(check_gate(gate));
}

struct BrokenGate {
  std::string message;
  std::function<void(Gate&)> breaks;
};
void PrintTo(const BrokenGate& broken, std::ostream* out) { *out << broken.message; }
class BrokenGateTest : public ::testing::TestWithParam<BrokenGate> {};

TEST_P(BrokenGateTest, IsRefusedWithTheReason) {
  Gate gate = sample_gate();
  GetParam().breaks(gate);
  try {
    check_gate(gate);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BrokenGateTest,
    ::testing::Values(
        BrokenGate{"keys [4, 7]", [](Gate& g) { g.keys = Matrix(4, 7); }},
        BrokenGate{"keys [0, 7]", [](Gate& g) { g.keys = Matrix(0, 7); }},
        BrokenGate{"key 1 has norm 0.0000",
                   [](Gate& g) { std::fill_n(g.keys.row(1).data(), 8, 0.0f); }},
        BrokenGate{"keys: a number is not finite", [](Gate& g) { g.keys.data[0] = kNaN; }},
        BrokenGate{"keys: 31 numbers", [](Gate& g) { g.keys.data.pop_back(); }},
        BrokenGate{"mean: 11 numbers; expected 12", [](Gate& g) { g.whitening.mean.pop_back(); }},
        BrokenGate{"mean: a number", [](Gate& g) { g.whitening.mean[0] = kNaN; }},
        BrokenGate{"whitening: a number", [](Gate& g) { g.whitening.projection.data[9] = kNaN; }},
        BrokenGate{"reference [3, 5]", [](Gate& g) { g.reference = Matrix(3, 5); }},
        BrokenGate{"temperature 0", [](Gate& g) { g.temperature = 0; }},
        BrokenGate{"temperature nan", [](Gate& g) { g.temperature = kNaN; }},
        BrokenGate{"max_tilt 1.5", [](Gate& g) { g.max_tilt = 1.5f; }},
        BrokenGate{"max_tilt nan", [](Gate& g) { g.max_tilt = kNaN; }},
        BrokenGate{"shared_least -0.1", [](Gate& g) { g.shared_least = -0.1f; }},
        BrokenGate{"shared_least nan", [](Gate& g) { g.shared_least = kNaN; }},
        BrokenGate{"even shares: 3 numbers; expected 4",
                   [](Gate& g) {
                     g.even = {0, 0, 0};
                   }},
        BrokenGate{"even share -0.5",
                   [](Gate& g) {
                     g.even = {-0.5f, 0, 0, 0};
                   }},
        BrokenGate{"even shares sum to 1.2500",
                   [](Gate& g) {
                     g.even = {1, 0.25f, 0, 0};
                   }},
        BrokenGate{"even shares: a number",
                   [](Gate& g) {
                     g.even = {kNaN, 0, 0, 0};
                   }},
        BrokenGate{"layer -1", [](Gate& g) { g.embedding.layer = -1; }}));

TEST(TaskWeights, OfAFarTaskAreTheEvenSharesWhereThereAreSuch) {
  Gate gate = sample_gate();
  gate.max_tilt = 0;  // wholly unfamiliar
  gate.even = {0.5f, 0.25f, 0.125f, 0};
  Rng rng(7);
  EXPECT_EQ(task_weights(gate, random_unit_rows(8, 8, rng)).weights, gate.even);
}

TEST(TaskWeights, EvenSharesOfOneInNChangeNothing) {
  Gate gate = sample_gate();
  Rng rng(8);
  const Matrix z = cluster(16, gate.keys.row(1), 0.3, rng);
  const TaskWeights want = task_weights(gate, z);
  gate.even.assign(4, 0.25f);
  EXPECT_EQ(task_weights(gate, z).weights, want.weights);
}

TEST(CheckGate, AcceptsTheGateOfAnEmptyPoolWhichGivesNoWeights) {
  Gate gate = sample_gate();
  gate.keys = Matrix(0, 8);
  EXPECT_NO_THROW(check_gate(gate));
  EXPECT_THROW((void)gate_weights(gate, std::vector<float>(8)), Error);
  EXPECT_THROW((void)task_weights(gate, Matrix(1, 8)), Error);
}

TEST(SharedWeight, FollowsTheSumOfTheOthersWeights) {
  Gate gate = sample_gate();  // max_tilt 0.5
  const auto at = [&](std::vector<float> w) { return shared_weight(gate, w); };
  EXPECT_EQ(at({0, 0, 0, 0}), 1.0f) << "without a least weight it is always 1";
  gate.shared_least = 0.6f;
  EXPECT_FLOAT_EQ(at({0, 0, 0, 0}), 0.6f);
  EXPECT_FLOAT_EQ(at({0.1f, 0.05f, 0.1f, 0}), 0.8f);
  EXPECT_FLOAT_EQ(at({0.5f, 0, 0, 0}), 1.0f);
  EXPECT_FLOAT_EQ(at({1.5f, 0.5f, 0, 0}), 1.0f);
  EXPECT_FLOAT_EQ(at({-1.5f, 0.5f, 0, 0}), 0.6f);
  gate.max_tilt = 0;
  EXPECT_FLOAT_EQ(at({0, 0, 0, 0}), 1.0f) << "no task is more familiar than another";
}

TEST(KeyOf, IsTheDirectionOfTheMean) {
  Rng rng(9);
  const Matrix z = cluster(40, sample_gate().keys.row(2), 0.2, rng);
  const auto key = key_of(z);
  std::vector<float> want(8);
  for (std::size_t k = 0; k < z.rows; ++k) {
    for (std::size_t j = 0; j < 8; ++j) want[j] += z.at(k, j) / 40;
  }
  internal::normalize(want);
  EXPECT_THAT(key, Pointwise(FloatNear(1e-6f), want));
}

TEST(KeyOf, RefusesExamplesWithoutACommonDirection) {
  Matrix z(2, 3);
  z.at(0, 1) = 1;
  z.at(1, 1) = -1;
  EXPECT_THROW((void)key_of(z), Error);
  EXPECT_THROW((void)key_of(Matrix(0, 3)), Error);
}

/// In the new space the axes are turned round: prompts keep their meaning, numbers do not.
TEST(MoveKeys, FollowThePromptsThatTheyStoodFor) {
  Gate gate = sample_gate();
  Rng rng(10);
  Matrix old_z(120, 8), new_z(120, 8);
  for (std::size_t k = 0; k < 120; ++k) {
    const Matrix one = cluster(1, gate.keys.row(k % 4), 0.2, rng);
    for (std::size_t j = 0; j < 8; ++j) {
      old_z.at(k, j) = one.at(0, j);
      new_z.at(k, (j + 3) % 8) = -one.at(0, j);
    }
  }
  const Matrix keys = move_keys(gate, old_z, new_z);
  Gate moved = gate;
  moved.keys = keys;
  EXPECT_NO_THROW(check_gate(moved));
  double moved_mass = 0;
  for (std::size_t k = 0; k < 120; ++k) {
    const auto before = gate_weights(gate, old_z.row(k));
    const auto after = gate_weights(moved, new_z.row(k));
    EXPECT_EQ(std::ranges::max_element(after) - after.begin(),
              std::ranges::max_element(before) - before.begin());
    for (std::size_t i = 0; i < 4; ++i) moved_mass += std::abs(after[i] - before[i]) / 2 / 120;
  }
  EXPECT_LT(moved_mass, 0.03) << "of a mean weight of 1";
  EXPECT_THROW((void)move_keys(gate, old_z, Matrix(3, 8)), Error);
  EXPECT_THROW((void)move_keys(gate, Matrix(120, 7), new_z), Error);
}

TEST(TaskWeights, RefusesNoExamplesAndEmbeddingsOfAnotherPool) {
  const Gate gate = sample_gate();
  EXPECT_THROW((void)task_weights(gate, Matrix(0, 8)), Error);
  EXPECT_THROW((void)task_weights(gate, Matrix(2, 7)), Error);
  EXPECT_THROW((void)gate_weights(gate, std::vector<float>(8, kNaN)), Error);
}

}  // namespace
}  // namespace crayon
