// Data as users bring it: three forms of examples, files and folders, with and without validation.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/engine/engine.h"
#include "crayon/pool/pool.h"
#include "crayon/testing/random.h"
#include "crayon/trainer/internal/data.h"
#include "crayon/trainer/train.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Property;
using ::testing::Throws;

constexpr const char* kConfig = R"(
[base]
model = "tiny.gguf"
[pool]
name = "own"
out = "pool"
n_adapters = 2
rank = 2
first_layer = 1
[gate]
dims = 4
reference = 8
[train]
seed = 3
steps = 4
batch_tokens = 400
number_type = "f32"
device = "cpu"
threads = 1
checkpoint_every = 100
)";

class OwnData : public ::testing::Test {
 protected:
  OwnData() { write_random_model(folder_.path() / "tiny.gguf"); }

  void write(const std::string& name, const std::string& line, int n) const {
    fs::create_directories((folder_.path() / name).parent_path());
    std::ofstream out(folder_.path() / name);
    for (int i = 0; i < n; ++i) out << fmt::format(fmt::runtime(line), i) << '\n';
  }
  [[nodiscard]] TrainConfig config(const std::string& sets) const {
    return parse_train_config(kConfig + sets, folder_.path() / "train.toml");
  }
  [[nodiscard]] LoadedItems load(const TrainConfig& config) {
    return load_items(config, *open_model(folder_.path() / "tiny.gguf"), notes_);
  }

  TemporaryFolder folder_;
  std::ostringstream notes_;
};

constexpr const char* kChoice =
    R"({{"question": "is {} even", "choices": ["yes", "no"], "answer": "yes"}})";
constexpr const char* kPrompt = R"({{"prompt": "count {}", "completion": "one"}})";
constexpr const char* kChat =
    R"({{"messages": [{{"role": "user", "content": "hi {}"}}, {{"role": "assistant", "content": "ho"}}]}})";

TEST_F(OwnData, AFolderStandsForEachOfItsSets) {
  write("sets/a.jsonl", kChoice, 10);
  write("sets/b/train.jsonl", kChoice, 5);
  write("sets/b/validation.jsonl", kChoice, 3);
  const TrainConfig got =
      config("[[set]]\nfolder = \"sets\"\nlicence = \"CC0-1.0\"\nweight = 2\nlimit = 8\n");
  ASSERT_EQ(got.sets.size(), 2u);
  EXPECT_EQ(got.sets[0].name, "a");
  EXPECT_EQ(got.sets[0].validation, "");
  EXPECT_EQ(got.sets[0].weight, 2);
  EXPECT_EQ(got.sets[1].name, "b");
  EXPECT_EQ(got.sets[1].validation, folder_.path() / "sets/b/validation.jsonl");
  const LoadedItems items = load(got);
  EXPECT_EQ(items.sets[0].train.size(), 7u) << "8 rows read, one of them held out";
}

TEST_F(OwnData, WithoutAValidationFileASeededShareIsHeldOutAndNoRowIsInBoth) {
  write("a.jsonl", kChoice, 40);
  const std::string set = "[[set]]\nname = \"a\"\ntrain = \"a.jsonl\"\nlicence = \"CC0-1.0\"\n";
  const auto prompts = [](const std::vector<TrainItem>& items) {
    std::set<std::vector<int>> found;
    for (const TrainItem& item : items) found.insert(item.tokens.prefix);
    return found;
  };
  TrainConfig first = config(set + "validation_share = 0.25\n");
  const ItemSet one = load(first).sets[0];
  EXPECT_EQ(one.train.size(), 30u);
  EXPECT_EQ(one.validation.size(), 10u);
  std::set<std::vector<int>> all = prompts(one.train);
  all.merge(prompts(one.validation));
  EXPECT_EQ(all.size(), 40u) << "each row once";
  EXPECT_EQ(prompts(load(first).sets[0].validation), prompts(one.validation));
  first.train.seed = 4;
  EXPECT_NE(prompts(load(first).sets[0].validation), prompts(one.validation));
  EXPECT_NE(describe_train_config(config(set)),
            describe_train_config(config(set + "validation_share = 0.25\n")));
}

TEST_F(OwnData, AllThreeFormsTrainAndOnlyChoicesAreValidated) {
  write("sets/choices.jsonl", kChoice, 12);
  write("sets/prompts.jsonl", kPrompt, 12);
  write("sets/chats.jsonl", kChat, 12);
  const TrainConfig made = config("[[set]]\nfolder = \"sets\"\nlicence = \"CC0-1.0\"\n");
  const TrainReport report = train_pool(made, {}, notes_);
  ASSERT_TRUE(report.finished);
  ASSERT_EQ(report.validation.size(), 1u);
  EXPECT_EQ(report.validation[0].set, "choices");
  EXPECT_THAT(notes_.str(), HasSubstr("free text, not validated"));
  const Pool pool = Pool::open(folder_.path() / "pool");
  EXPECT_THAT(pool.manifest().adapters[0].trained_on, ElementsAre("chats", "choices", "prompts"));
  for (const PoolCheck& check :
       verify_pool(folder_.path() / "pool", folder_.path() / "tiny.gguf")) {
    EXPECT_TRUE(check.ok) << check.what << ": " << check.detail;
  }
}

TEST_F(OwnData, APoolOfFreeTextAloneTrainsWithoutAValidation) {
  write("sets/prompts.jsonl", kPrompt, 12);
  const TrainReport report =
      train_pool(config("[[set]]\nfolder = \"sets\"\nlicence = \"CC0-1.0\"\n"), {}, notes_);
  EXPECT_TRUE(report.finished);
  EXPECT_TRUE(report.validation.empty());
}

TEST_F(OwnData, OneAdapterIsTrainedOnPromptsThatAreAllTheSame) {
  write("same.jsonl",
        R"({{"question": "which is right", "choices": ["a {0} b", "b {0} a"], "answer": 0}})", 12);
  TrainConfig one =
      config("[[set]]\nname = \"same\"\ntrain = \"same.jsonl\"\nlicence = \"CC0-1.0\"\n");
  one.pool.n_adapters = 1;
  EXPECT_TRUE(train_pool(one, {}, notes_).finished);
  EXPECT_EQ(Pool::open(folder_.path() / "pool").gate().size(), 1u);
  one.pool.n_adapters = 2;
  EXPECT_THAT([&] { (void)train_pool(one, {.restart = true}, notes_); },
              Throws<Error>(Property(&Error::what, HasSubstr("expected different prompts"))));
}

TEST_F(OwnData, FewPromptsGiveTheGateAsManyDirectionsAsTheySpan) {
  write("a/train.jsonl", kChoice, 3);
  write("a/validation.jsonl", kChoice, 2);
  const std::string set =
      "[[set]]\nname = \"a\"\ntrain = \"a/train.jsonl\"\nvalidation = \"a/validation.jsonl\"\n"
      "licence = \"CC0-1.0\"\n";
  EXPECT_TRUE(train_pool(config(set), {}, notes_).finished);
  EXPECT_EQ(Pool::open(folder_.path() / "pool").gate().keys.cols, 2u);
  EXPECT_THAT(notes_.str(), HasSubstr("3 prompts span no more than 2 directions"));
  notes_.str("");
  write("a/train.jsonl", kChoice, 5);
  EXPECT_TRUE(train_pool(config(set), {.restart = true}, notes_).finished);
  EXPECT_EQ(Pool::open(folder_.path() / "pool").gate().keys.cols, 4u) << "as the config says";
  EXPECT_THAT(notes_.str(), Not(HasSubstr("directions")));
}

TEST_F(OwnData, ABadRowIsNamedByFileAndLine) {
  write("a.jsonl", kChoice, 3);
  std::ofstream(folder_.path() / "a.jsonl", std::ios::app) << R"({"question": "x"})" << '\n';
  const TrainConfig made =
      config("[[set]]\nname = \"a\"\ntrain = \"a.jsonl\"\nlicence = \"CC0-1.0\"\n");
  EXPECT_THAT([&] { (void)load(made); },
              Throws<Error>(AllOf(Property(&Error::code, ErrorCode::InvalidArgument),
                                  Property(&Error::what, HasSubstr("a.jsonl:4: 'choices'")))));
}

TEST_F(OwnData, ASetWithoutAUsableRowSaysWhatIsWrongWithItsRows) {
  constexpr const char* kOpen = R"({{"question": "is {} even", "choices": ["yes", "no"]}})";
  write("open.jsonl", kOpen, 3);
  write("good.jsonl", kChoice, 3);
  const std::string word(400, 'x');
  write("long.jsonl", R"({{"question": ")" + word + R"( {}", "choices": ["a", "b"], "answer": 0}})",
        3);
  write("both.jsonl", kOpen, 1);
  std::ofstream(folder_.path() / "both.jsonl", std::ios::app)
      << read_text(folder_.path() / "long.jsonl");
  const auto error_of = [&](const std::string& train, const std::string& validation) {
    const TrainConfig made =
        config("[[set]]\nname = \"s\"\ntrain = \"" + train + "\"\nvalidation = \"" + validation +
               "\"\nlicence = \"CC0-1.0\"\n");
    try {
      (void)load(made);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const auto ends = [](const std::string& part) { return ::testing::EndsWith(part); };
  EXPECT_THAT(error_of("open.jsonl", "good.jsonl"),
              AllOf(HasSubstr("set 's' has no usable training item (0 too long, 3 without answer)"),
                    ends("; give its rows answers, or leave the set out")));
  EXPECT_THAT(error_of("long.jsonl", "good.jsonl"),
              ends("; raise [train] max_tokens, or leave the set out"));
  EXPECT_THAT(error_of("both.jsonl", "good.jsonl"),
              ends("; give its rows answers, raise [train] max_tokens, or leave the set out"));
  EXPECT_THAT(error_of("good.jsonl", "open.jsonl"),
              AllOf(HasSubstr("no usable validation item (0 too long, 3 without answer)"),
                    ends("; give its rows answers, or leave the set out")));
}

TEST_F(OwnData, AFolderWithNamesOfItsOwnOrTwiceOrEmptyIsRefused) {
  write("sets/a.jsonl", kChoice, 3);
  write("empty/notes.txt", "x", 1);
  const std::string set = "[[set]]\nfolder = \"sets\"\nlicence = \"CC0-1.0\"\n";
  const auto refuses = [&](const std::string& sets, const std::string& part) {
    EXPECT_THAT([&] { (void)config(sets); },
                Throws<Error>(Property(&Error::what, HasSubstr(part))));
  };
  refuses(set + "name = \"b\"\n", "name does not go with folder");
  refuses(set + set, "'a' is there twice");
  refuses("[[set]]\nfolder = \"empty\"\nlicence = \"x\"\n", "holds no set");
  refuses("[[set]]\nfolder = \"none\"\nlicence = \"x\"\n", "no such file");
  write("one.jsonl", kChoice, 1);
  EXPECT_THAT(
      [&] {
        (void)load(config("[[set]]\nname = \"o\"\ntrain = \"one.jsonl\"\nlicence = \"x\"\n"));
      },
      Throws<Error>(Property(&Error::what, HasSubstr("so that one can be held out"))));
}

TEST_F(OwnData, AnUnknownArchitectureIsNamedWithThoseThatAreKnown) {
  write("a.jsonl", kChoice, 4);
  write_random_model(folder_.path() / "tiny.gguf", {.keys = {{"general.architecture", "gemma2"}}});
  const TrainConfig made =
      config("[[set]]\nname = \"a\"\ntrain = \"a.jsonl\"\nlicence = \"CC0-1.0\"\n");
  EXPECT_THAT(
      [&] { (void)train_pool(made, {}, notes_); },
      Throws<Error>(AllOf(
          Property(&Error::code, ErrorCode::Unsupported),
          Property(&Error::what, HasSubstr("architecture 'gemma2'; supported are 'llama'")))));
}

/// The example's own file, on the tiny model in place of its own.
TEST_F(OwnData, TheExampleConfigTrains) {
  const fs::path example = fs::path(CRAYON_SOURCE_DIR) / "examples/own_data";
  fs::copy(example / "sets", folder_.path() / "sets", fs::copy_options::recursive);
  std::string text = read_text(example / "train.toml");
  const auto put = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), from.size(), to);
  };
  put("smollm2-135m-instruct", "tiny.gguf");
  put("first_layer = 15", "first_layer = 1");
  put("samples = 400", "steps = 3");
  put("seed = 1", "seed = 1\nnumber_type = \"f32\"\nthreads = 1\ndevice = \"cpu\"");
  const TrainConfig made = parse_train_config(text, folder_.path() / "train.toml");
  ASSERT_EQ(made.sets.size(), 4u);
  const TrainReport report = train_pool(made, {}, notes_);
  EXPECT_TRUE(report.finished);
  EXPECT_EQ(report.validation.size(), 2u) << "refunds and tone; the others are free text";
  EXPECT_EQ(Pool::open(folder_.path() / "pool").size(), 2u);
}

}  // namespace
}  // namespace crayon
