// tour.cc - the same library from C++: a network pruned to half its inner neurons.
//
//     c++ -std=c++20 tour.cc $(pkg-config --cflags --libs tenon) -o tour && ./tour net.onnx
#include <cstdio>
#include <initializer_list>
#include <memory>

#include <tenon/tenon.h>

int main(int argc, char **argv)
{
    tn_error err = {};
    tn_model *loaded = nullptr;
    if (argc != 2) {
        std::fprintf(stderr, "usage: tour MODEL.onnx\n");
        return 2;
    }
    if (tn_model_load(&loaded, argv[1], nullptr, &err) != TN_OK) {
        std::fprintf(stderr, "tour: %s\n", err.message);
        return 1;
    }
    std::unique_ptr<tn_model, decltype(&tn_model_free)> model(loaded, tn_model_free);
    tn_prune_options options = TN_PRUNE_OPTIONS_INIT;
    options.sparsity = 0.5;
    options.method = TN_PRUNE_DELETE;
    tn_model *small = nullptr;
    if (tn_prune(&small, nullptr, model.get(), nullptr, &options, nullptr, &err) !=
        TN_OK) {
        std::fprintf(stderr, "tour: %s\n", err.message);
        return 1;
    }
    std::unique_ptr<tn_model, decltype(&tn_model_free)> pruned(small, tn_model_free);
    for (const tn_model *m : {model.get(), pruned.get()}) {
        tn_model_info info;
        if (tn_model_info_get(&info, m, &err) != TN_OK) {
            std::fprintf(stderr, "tour: %s\n", err.message);
            return 1;
        }
        std::printf("%llu parameters, %llu MACs\n",
                    static_cast<unsigned long long>(info.parameters),
                    static_cast<unsigned long long>(info.macs));
    }
    return 0;
}
