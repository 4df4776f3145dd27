/* onednn_window.c - windows of Conv and the pools as oneDNN wants them.
 *
 * oneDNN computes the output's extent from the padding; with ceil_mode the last window
 * may reach past ONNX's end padding, so the end is moved there. oneDNN counts dilation
 * from 0.
 */
#include "ops/onednn.h"
#include "ops/window.h"

bool tn__dnnl_window(tn__pd_spec *spec, const tn__site *site, const int64_t *kernel)
{
    tn__window w;
    tn_error ignored = {0};
    if (tn__window_read(&w, site, kernel, &ignored))
        return false;
    for (int i = 0; i < w.rank; i++) {
        int64_t reach = (w.kernel[i] - 1) * w.dilation[i] + 1;
        int64_t last = (w.out[i] - 1) * w.stride[i] + reach - w.in[i] - w.begin[i];
        spec->window[i] = w.kernel[i];
        spec->strides[i] = w.stride[i];
        spec->dilates[i] = w.dilation[i] - 1;
        spec->pad_l[i] = w.begin[i];
        spec->pad_r[i] = TN__MAX(w.end[i], last);
    }
    return true;
}
