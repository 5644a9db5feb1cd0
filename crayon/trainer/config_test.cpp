#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/testing/random.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const char* const kSmall = R"(
[base]
model = "tiny.gguf"
[pool]
name = "tiny"
first_layer = 2
[[set]]
name = "toy"
train = "data/train.jsonl"
validation = "data/validation.jsonl"
licence = "CC0-1.0"
)";

/// A folder with the toy set's files, and a config's place two folders below.
class TrainConfigFile : public ::testing::Test {
 protected:
  TrainConfigFile() {
    std::filesystem::create_directories(folder_.path() / "data");
    std::filesystem::create_directories(folder_.path() / "pools/tiny");
    write_atomically(folder_.path() / "data/train.jsonl", "");
    write_atomically(folder_.path() / "data/validation.jsonl", "");
  }
  [[nodiscard]] std::filesystem::path file() const {
    return folder_.path() / "pools/tiny/train.toml";
  }
  TemporaryFolder folder_;
};

std::string with(const std::string& table, const std::string& lines) {
  std::string text = kSmall;
  const auto at = text.find("[" + table + "]");
  if (at == std::string::npos) return text + "[" + table + "]\n" + lines + "\n";
  return text.insert(text.find('\n', at) + 1, lines + "\n");
}

TEST_F(TrainConfigFile, FindsDataInAFolderAboveAndPutsThePoolBesideItself) {
  const TrainConfig config = parse_train_config(kSmall, file());
  ASSERT_EQ(config.sets.size(), 1u);
  EXPECT_EQ(config.sets[0].train, folder_.path() / "data/train.jsonl");
  EXPECT_EQ(config.train.checkpoints, folder_.path() / "pools/tiny/checkpoints");
  EXPECT_EQ(config.pool.out.lexically_relative(folder_.path()), "pools/tiny/");
}

TEST_F(TrainConfigFile, ASharedAdapterThatIsThereBringsItsRankAndIsLookedForLikeASet) {
  write_atomically(folder_.path() / "data/shared.gguf", "");
  const std::string there = "shared_from = \"data/shared.gguf\"";
  EXPECT_EQ(parse_train_config(with("pool", there), file()).pool.shared_from,
            folder_.path() / "data/shared.gguf");
  EXPECT_THAT([&] { (void)parse_train_config(with("pool", there + "\nshared_rank = 4"), file()); },
              ::testing::ThrowsMessage<Error>(HasSubstr("comes from shared_from")));
  const std::string missing = "shared_from = \"data/none.gguf\"";
  EXPECT_THAT([&] { (void)parse_train_config(with("pool", missing), file()); },
              ::testing::ThrowsMessage<Error>(::testing::AllOf(
                  HasSubstr("shared_from = \"data/none.gguf\": no such file"),
                  HasSubstr("the adapter of another run: train the config that makes it first"))));
}

TEST_F(TrainConfigFile, GateLayerIsTheFirstAdaptedLayerAndAlphaTheRankUnlessSet) {
  const TrainConfig config = parse_train_config(with("pool", "rank = 6"), file());
  EXPECT_EQ(config.gate.embedding.layer, 2);
  EXPECT_EQ(config.pool.alpha, 6);
}

TEST_F(TrainConfigFile, ReadsEachKindOfValue) {
  const TrainConfig config =
      parse_train_config(with("train", "seed = 7\nlearning_rate = 1\nnumber_type = \"f32\"") +
                             "[gate]\nmodulated = false\npooling = \"mean\"\n",
                         file());
  EXPECT_EQ(config.train.seed, 7u);
  EXPECT_EQ(config.train.learning_rate, 1.0);
  EXPECT_EQ(config.train.number_type, "f32");
  EXPECT_FALSE(config.gate.modulated);
  EXPECT_EQ(config.gate.embedding.pooling, Pooling::Mean);
}

struct BadConfig {
  std::string name;
  std::string text;
  std::vector<std::string> message;  ///< Parts of it.
  ErrorCode code = ErrorCode::InvalidArgument;
};

class BadTrainConfig : public TrainConfigFile, public ::testing::WithParamInterface<BadConfig> {};

TEST_P(BadTrainConfig, IsOneErrorThatNamesFileAndKey) {
  try {
    (void)parse_train_config(GetParam().text, file());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), GetParam().code) << error.what();
    for (const auto& part : GetParam().message) EXPECT_THAT(error.what(), HasSubstr(part));
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
  }
}

std::string without(const std::string& line) {
  std::string text = kSmall;
  return text.erase(text.find(line), line.size());
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadTrainConfig,
    ::testing::Values(
        BadConfig{"NotToml", "[train\nseed = 1", {"train.toml:1:", "not TOML"}},
        BadConfig{
            "RepeatedKey", with("pool", "rank = 1\nrank = 2"), {"train.toml:", "redefine", "rank"}},
        BadConfig{"UnknownKey",
                  with("train", "batch_token = 5"),
                  {"train.toml:13:", "[train] batch_token", "did you mean 'batch_tokens'"}},
        BadConfig{"UnknownTable", with("trian", "seed = 5"), {"trian", "did you mean 'train'"}},
        BadConfig{"StringForInteger",
                  with("train", "steps = \"many\""),
                  {"[train] steps is a string; expected an integer"}},
        BadConfig{"RealForInteger",
                  with("pool", "rank = 4.5"),
                  {"[pool] rank is a number; expected an integer"}},
        BadConfig{"StringForReal",
                  with("train", "clip = \"x\""),
                  {"[train] clip is a string; expected a number"}},
        BadConfig{"IntegerForBool",
                  with("gate", "modulated = 1"),
                  {"[gate] modulated is an integer; expected true or false"}},
        BadConfig{"IntegerForString",
                  with("train", "number_type = 16"),
                  {"[train] number_type is an integer; expected a string"}},
        BadConfig{"UnknownNumberType",
                  with("train", "number_type = \"f64\""),
                  {"'f64'", "'auto', 'f32', 'bf16'"}},
        BadConfig{
            "UnknownPooling", with("gate", "pooling = \"max\""), {"'max'", "'mean' or 'last'"}},
        BadConfig{"TiltAboveOne",
                  with("gate", "max_tilt = 1.5"),
                  {"[gate] max_tilt is 1.5; expected a number from 0 to 1"}},
        BadConfig{"NothingLeftOfTheGate",
                  with("pool", "n_adapters = 1") + "[gate]\ndrop_nearest = 0.5\n",
                  {"[gate] drop_nearest", "n_adapters"}},
        BadConfig{"UnknownKeys",
                  with("gate", "keys = \"none\""),
                  {"[gate] keys", "'none'", "'kmeans', 'random'"}},
        BadConfig{"NothingToLearnFrom",
                  with("train", "choice_weight = 0\nanswer_weight = 0"),
                  {"[train] answer_weight", "choice_weight"}},
        BadConfig{"NoSharedAdapterToWeaken",
                  with("gate", "shared_least = 0.5"),
                  {"[gate] shared_least", "shared_rank or shared_from"}},
        BadConfig{"RateNotANumber", with("train", "learning_rate = nan"), {"learning_rate is nan"}},
        BadConfig{"NegativeSteps", with("train", "steps = -1"), {"[train] steps is -1"}},
        BadConfig{"TableForValue", with("train", "seed = {a = 1}"), {"[train] seed is a table"}},
        BadConfig{"ValueForTable", "train = 5\n" + std::string(kSmall), {"train is an integer"}},
        BadConfig{"NoModel", without("model = \"tiny.gguf\""), {"[base] model is missing"}},
        BadConfig{"NoLicence", without("licence = \"CC0-1.0\""), {"licence is missing"}},
        BadConfig{"NoSet", "[base]\nmodel = \"a\"\n[pool]\nname = \"b\"", {"set is missing"}},
        BadConfig{"SetIsATable",
                  "[base]\nmodel=\"a\"\n[pool]\nname=\"b\"\n[set]\nname=\"c\"",
                  {"set is a table", "[[set]]"}},
        BadConfig{"TemplateWithoutQuestion",
                  with("prompt", "without_context = \"?\""),
                  {"train.toml:13: [prompt] without_context", "'?'", "{question}"}},
        BadConfig{"TemplateWithoutContext",
                  with("prompt", "choice_prefix = \"\"\nwith_context = \"{question}\""),
                  {"train.toml:14: [prompt] with_context", "'{question}'", "{context}"}},
        BadConfig{"MissingData",
                  with("[set]", "limit = 5")
                      .replace(with("[set]", "limit = 5").find("train.jsonl"), 11, "none.jsonl"),
                  {"data/none.jsonl", "no such file"},
                  ErrorCode::NotFound}),
    [](const auto& each) { return each.param.name; });

TEST_F(TrainConfigFile, TakesTheSetsOfAnotherConfig) {
  write_atomically(folder_.path() / "pools/first.toml", kSmall);
  const std::string rest = std::string(kSmall).substr(0, std::string(kSmall).find("[[set]]"));
  const std::string text = "sets_from = \"first.toml\"\n" + rest;
  const TrainConfig config = parse_train_config(text, file());
  ASSERT_EQ(config.sets.size(), 1u);
  EXPECT_EQ(config.sets[0].train, folder_.path() / "data/train.jsonl");
  const auto error_of = [&](const std::string& refused) -> std::string {
    try {
      (void)parse_train_config(refused, file());
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(error_of("sets_from = \"first.toml\"\n" + std::string(kSmall)),
              HasSubstr("does not go with sets_from"));
  EXPECT_THAT(error_of("sets_from = \"none.toml\"\n" + rest), HasSubstr("no such file"));
  write_atomically(folder_.path() / "pools/first.toml", text);
  EXPECT_THAT(error_of(text), HasSubstr("name the sets there"));
}

TEST(OwnTrainConfigs, OfTheBenchmarksCanBeRead) {
  for (const char* name : {"diverse.toml", "multitask.toml"}) {
    const TrainConfig config =
        load_train_config(std::filesystem::path(CRAYON_SOURCE_DIR) / "benchmarks" / name);
    EXPECT_FALSE(config.sets.empty()) << name;
    EXPECT_EQ(config.pool.n_adapters, 1) << name;
  }
}

TEST_F(TrainConfigFile, RefusesTwoSetsOfOneName) {
  const std::string text = kSmall;
  const std::string twice = text + text.substr(text.find("[[set]]"));
  EXPECT_THROW((void)parse_train_config(twice, file()), Error);
}

TEST_F(TrainConfigFile, DescriptionChangesWithWhatDecidesTheNumbersOnly) {
  const auto lines = [&](const std::string& text) {
    return describe_train_config(parse_train_config(text, file()));
  };
  EXPECT_EQ(lines(kSmall), lines(with("train", "threads = 3\nslice_minutes = 5")));
  EXPECT_NE(lines(kSmall), lines(with("train", "learning_rate = 0.5")));
  EXPECT_NE(lines(kSmall), lines(with("[set]", "weight = 2")));
}

}  // namespace
}  // namespace crayon
